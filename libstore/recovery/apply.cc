#include "libstore/recovery/apply.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "libstore/recovery/plan_text.h"
#include "libstore/recovery/store_listing.h"
#include "libstore/recovery/undo_journal.h"

namespace rmq::recovery {
namespace {

constexpr std::int64_t kPiece = 1 << 20;

class Carrier {
 public:
  explicit Carrier(io::FileSystem& files) : files_(files) {}

  Status carry_out(const Step& step) {
    switch (step.kind) {
      case Step::Kind::rename: return files_.rename(step.path, step.target);
      case Step::Kind::set_aside: return files_.remove(step.path);
      case Step::Kind::make: return make(step);
      case Step::Kind::replace: return replace(step);
      case Step::Kind::write:
      case Step::Kind::copy:
      case Step::Kind::bridge:
      case Step::Kind::zero: return change(step);
    }
    return {};
  }

 private:
  Status make(const Step& step) {
    RMQ_TRY(made, files_.create(step.path, step.to, {}));
    if (step.source.empty()) return {};
    RMQ_CHECK(copy(*made, step));
    RMQ_CHECK(made->sync());
    RMQ_TRY(was, files_.stat(step.source));
    return files_.set_modified(step.path, was.modified_ms);
  }

  // [from, to) of the source, as far as it goes.
  Status copy(io::WriteFile& file, const Step& step) {
    RMQ_TRY(source, files_.open(step.source));
    std::vector<std::byte> bytes;
    for (std::int64_t at = step.from; at < step.to; at += kPiece) {
      bytes.resize(static_cast<std::size_t>(std::min(kPiece, step.to - at)));
      RMQ_TRY(got, source->read_at(step.source_from + (at - step.from), bytes));
      bytes.resize(got);
      if (got == 0) break;
      RMQ_CHECK(file.write_at(at, bytes));
    }
    return {};
  }

  Status replace(const Step& step) {
    if (const auto old = files_.stat(step.path)) {
      RMQ_CHECK(still_as_planned(step, 0, old->size));
    }
    return files_.replace(step.path, step.bytes);
  }

  Status still_as_planned(const Step& step, std::int64_t from, std::int64_t to) {
    if (!step.crc_before) return {};
    RMQ_TRY(crc, crc_of_range(files_, step.path, from, to));
    if (crc == *step.crc_before) return {};
    return wrong_use(fmt::format("{} has changed since the plan was made", step.shown));
  }

  Status change(const Step& step) {
    RMQ_TRY(was, files_.stat(step.path));
    RMQ_TRY(file, files_.open_for_write(step.path));
    RMQ_CHECK(still_as_planned(step, step.from, step.to));
    if (step.kind == Step::Kind::write) RMQ_CHECK(file->write_at(step.from, step.bytes));
    if (step.kind == Step::Kind::copy) RMQ_CHECK(copy(*file, step));
    if (step.kind == Step::Kind::zero) RMQ_CHECK(zero(*file, step.from, step.to));
    if (step.kind == Step::Kind::bridge) RMQ_CHECK(bridge(*file, step));
    RMQ_CHECK(file->sync());
    // Stock deletes files by their time, and searches messages by it: only a new file has none yet.
    const bool new_file = step.kind == Step::Kind::bridge && step.from == 0;
    return files_.set_modified(step.path, new_file ? step.modified_ms : was.modified_ms);
  }

  // Holes are zeros.
  static Status zero(io::WriteFile& file, std::int64_t from, std::int64_t to) {
    const std::vector<std::byte> zeros(static_cast<std::size_t>(std::min(kPiece, to - from)));
    for (std::int64_t at = file.next_data(from); at < to; at = file.next_data(at)) {
      const std::int64_t end = std::min({at + kPiece, std::max(file.next_hole(at), at + 1), to});
      RMQ_CHECK(file.write_at(at, std::span(zeros).first(static_cast<std::size_t>(end - at))));
      at = end;
    }
    return {};
  }

  static bool is_hole(const io::ReadFile& file, std::int64_t from, std::int64_t to) {
    return file.next_data(from) >= to;
  }

  // A filler's body is zeros: where the file has a hole for it, that is what it stays. What is missing of a
  // log may be gigabytes.
  static Status write_sparsely(io::WriteFile& file, std::int64_t position, std::span<const std::byte> bytes) {
    constexpr std::size_t kEnds = 4096;  // hold all but the body
    if (bytes.size() < 16 * kEnds) return file.write_at(position, bytes);
    const auto body = bytes.subspan(kEnds, bytes.size() - 2 * kEnds);
    const std::int64_t from = position + static_cast<std::int64_t>(kEnds);
    const bool zeros = std::ranges::all_of(body, [](std::byte byte) { return byte == std::byte{0}; });
    if (!zeros || !is_hole(file, from, from + std::ssize(body))) return file.write_at(position, bytes);
    RMQ_CHECK(file.write_at(position, bytes.first(kEnds)));
    return file.write_at(from + std::ssize(body), bytes.last(kEnds));
  }

  // From the last to the first: until all are there the range begins with what it began with, so that a kill
  // leaves a range that is planned again.
  static Status bridge(io::WriteFile& file, const Step& step) {
    if (step.records.empty()) return {};
    const std::int64_t file_start = step.records.front().log_offset - step.from;
    for (std::size_t i = step.records.size(); i-- > 0;) {
      const BridgeRecord& record = step.records[i];
      const auto bytes = encode_bridge(record, step.modified_ms);
      RMQ_CHECK(write_sparsely(file, record.log_offset - file_start, bytes));
      const std::int64_t left = record.size - std::ssize(bytes);  // behind the eight bytes of a BLANK
      if (left > 0) RMQ_CHECK(zero(file, record.log_offset - file_start + std::ssize(bytes), step.to));
    }
    return {};
  }

  io::FileSystem& files_;
};

}  // namespace

Status carry_out(io::FileSystem& files, const std::vector<Step>& steps) {
  Carrier carrier(files);
  for (const Step& step : steps) RMQ_CHECK(carrier.carry_out(step));
  return {};
}

Status apply(io::FileSystem& files, const std::string& root,
             const std::vector<std::string>& other_directories, const Plan& plan, std::int64_t now_ms) {
  if (plan.changes_nothing()) return {};
  UndoOptions options;
  options.root = root;
  options.others = other_directories;
  options.directory = lost_and_found_directory(files, root, now_ms);
  options.purpose = "recovery";
  UndoJournal journal(files, options);
  RMQ_CHECK(journal.begin());
  const std::string told = steps_as_json(plan);
  RMQ_CHECK(files.replace(io::join_path(options.directory, kUndoPlan), std::as_bytes(std::span(told))));
  RMQ_CHECK(carry_out(journal, plan.steps));
  return journal.end();
}

}  // namespace rmq::recovery
