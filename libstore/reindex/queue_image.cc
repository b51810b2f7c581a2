#include "libstore/reindex/queue_image.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/mapped_file_name.h"

namespace rmq::reindex {
namespace {

constexpr std::int64_t kSimpleUnit = format::kConsumeQueueEntrySize;
constexpr std::int64_t kBatchUnit = format::kBatchConsumeQueueEntrySize;
constexpr std::int64_t kBlanks = 1024;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kLargeWrite = 128 << 10;

std::span<const std::byte> blanks(std::int64_t units) {
  static const auto bytes = [] {
    std::array<std::byte, kBlanks * kSimpleUnit> all{};
    for (std::int64_t i = 0; i < kBlanks; ++i) format::kPreBlankEntry.store(all.data() + i * kSimpleUnit);
    return all;
  }();
  return std::span(bytes).first(static_cast<std::size_t>(units * kSimpleUnit));
}

class Layout {
 public:
  Layout(std::int64_t floor, std::int64_t file_size, const std::function<Status(const Stretch&)>& take)
      : floor_(floor), file_size_(file_size), take_(take) {}

  // A simple queue's units, which follow each other; those below the floor come first.
  Status simple(const UnitPiece& piece) {
    std::span<const std::byte> units = piece.units;
    std::int64_t first = piece.first;
    const auto drop = [&](std::int64_t count) {
      units = units.subspan(static_cast<std::size_t>(count * kSimpleUnit));
      first += count;
    };
    while (!units.empty() && load_be<std::int64_t>(units.data()) < floor_) drop(1);
    if (units.empty()) return {};
    if (shape_.units == 0) {
      const std::int64_t in_file = file_size_ / kSimpleUnit;
      RMQ_CHECK(fill(first / in_file * in_file, first));
      shape_.first = shape_.min_offset = shape_.next_offset = first;
    } else if (first != shape_.next_offset) {
      const std::int64_t missing = first - shape_.next_offset;
      const std::int64_t count = std::ssize(units) / kSimpleUnit;
      if (missing > file_size_ / kSimpleUnit) {
        shape_.holes += count;
        shape_.dropped += count;
        return {};
      }
      if (missing < 0) {
        const std::int64_t back = std::min(-missing, count);
        shape_.holes += back;
        shape_.dropped += back;
        drop(back);
        if (units.empty()) return {};
      } else {
        ++shape_.holes;
        RMQ_CHECK(fill(shape_.next_offset, first));
      }
    }
    const std::int64_t count = std::ssize(units) / kSimpleUnit;
    RMQ_CHECK(emit(first * kSimpleUnit, units, piece.last_timestamp, false));
    shape_.units += count;
    shape_.next_offset = shape_.end = first + count;
    return {};
  }

  Status batch(const UnitPiece& piece) {
    for (auto units = piece.units; !units.empty(); units = units.subspan(kBatchUnit)) {
      const auto unit = format::BatchConsumeQueueEntry::load(units.data());
      if (unit.commit_log_offset < floor_) continue;
      if (shape_.units == 0) {
        shape_.min_offset = unit.base_offset;
      } else if (unit.base_offset != shape_.next_offset) {
        ++shape_.holes;
        if (unit.base_offset < shape_.next_offset) {
          ++shape_.dropped;
          continue;
        }
      }
      RMQ_CHECK(emit(shape_.end * kBatchUnit, units.first(kBatchUnit), unit.store_timestamp, false));
      ++shape_.units;
      ++shape_.end;
      shape_.next_offset = unit.base_offset + unit.batch_size;
    }
    return {};
  }

  [[nodiscard]] const QueueShape& shape() const { return shape_; }

 private:
  Status fill(std::int64_t from, std::int64_t to) {
    while (from < to) {
      const std::int64_t count = std::min(to - from, kBlanks);
      RMQ_CHECK(emit(from * kSimpleUnit, blanks(count), 0, true));
      from += count;
    }
    return {};
  }

  // File by file.
  Status emit(std::int64_t position, std::span<const std::byte> bytes, std::int64_t timestamp, bool blank) {
    while (!bytes.empty()) {
      const std::int64_t room = file_size_ - position % file_size_;
      const auto here = bytes.first(std::min(bytes.size(), static_cast<std::size_t>(room)));
      RMQ_CHECK(take_({position, here, timestamp, blank}));
      position += std::ssize(here);
      bytes = bytes.subspan(here.size());
    }
    return {};
  }

  std::int64_t floor_;
  std::int64_t file_size_;
  const std::function<Status(const Stretch&)>& take_;
  QueueShape shape_;
};

}  // namespace

Result<QueueShape> lay_out_queue(const Harvest& harvest, const Harvest::QueueHarvest& queue,
                                 std::int64_t floor, std::int64_t file_size,
                                 const std::function<Status(const Stretch&)>& take) {
  const std::int64_t unit = queue.batch ? kBatchUnit : kSimpleUnit;
  Layout layout(floor, std::max(file_size / unit * unit, unit), take);
  RMQ_CHECK(harvest.visit(queue, [&](const UnitPiece& piece) {
    return queue.batch ? layout.batch(piece) : layout.simple(piece);
  }));
  return layout.shape();
}

QueueFileWriter::QueueFileWriter(io::FileSystem& files, std::string directory, std::int64_t file_size,
                                 std::size_t buffer, bool synced)
    : files_(files),
      directory_(std::move(directory)),
      file_size_(file_size),
      most_(buffer),
      synced_(synced) {}

// Large pieces go past the page cache: fresh pages cost more than the disk does, and nobody reads the queue
// soon.
Status QueueFileWriter::write_out(bool everything) {
  const std::span<const std::byte> bytes(buffer_.get(), used_);
  const std::int64_t at = position_ - file_start_;
  const bool may_skip_cache = used_ >= kLargeWrite && at % static_cast<std::int64_t>(kPage) == 0;
  std::size_t done = 0;
  if (may_skip_cache) {
    done = used_ / kPage * kPage;
    RMQ_CHECK(file_->write_past_cache(at, bytes.first(done)));
  }
  if (done < used_ && (everything || done == 0)) {
    RMQ_CHECK(file_->write_at(at + static_cast<std::int64_t>(done), bytes.subspan(done)));
    done = used_;
  }
  if (done < used_) std::memmove(buffer_.get(), buffer_.get() + done, used_ - done);
  used_ -= done;
  position_ += static_cast<std::int64_t>(done);
  bytes_ += static_cast<std::int64_t>(done);
  return {};
}

Status QueueFileWriter::end_file() {
  if (!file_) return {};
  RMQ_CHECK(write_out(true));
  if (timestamp_ > 0) RMQ_CHECK(files_.set_modified(path_, timestamp_));
  if (synced_) RMQ_CHECK(file_->sync());
  file_.reset();
  return {};
}

Status QueueFileWriter::take(const Stretch& stretch) {
  const std::int64_t start = stretch.position / file_size_ * file_size_;
  if (start != file_start_) {
    RMQ_CHECK(end_file());
    path_ = io::join_path(directory_, format::mapped_file_name(start));
    RMQ_TRY(made, files_.create_unsynced(path_, file_size_));
    file_ = std::move(made);
    file_start_ = start;
    timestamp_ = 0;
    position_ = stretch.position;
    if (!buffer_) buffer_.reset(static_cast<std::byte*>(std::aligned_alloc(kPage, most_)));
    if (!buffer_) return os_error(ENOMEM, "writing " + path_);
  }
  if (stretch.position != position_ + static_cast<std::int64_t>(used_)) {
    RMQ_CHECK(write_out(true));
    position_ = stretch.position;
  }
  timestamp_ = std::max(timestamp_, stretch.last_timestamp);
  for (auto bytes = stretch.bytes; !bytes.empty();) {
    const auto some = bytes.first(std::min(bytes.size(), most_ - used_));
    std::memcpy(buffer_.get() + used_, some.data(), some.size());
    used_ += some.size();
    bytes = bytes.subspan(some.size());
    if (used_ == most_) RMQ_CHECK(write_out(false));
  }
  return {};
}

Status QueueFileWriter::finish() { return end_file(); }

}  // namespace rmq::reindex
