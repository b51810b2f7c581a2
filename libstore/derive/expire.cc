#include "libstore/derive/expire.h"

#include <algorithm>
#include <array>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/index_file.h"
#include "libstore/format/mapped_file_name.h"

namespace rmq::derive {
namespace {

struct Unit {
  bool there = false;
  std::int64_t log_offset = 0;
  std::int64_t queue_offset = 0;
};

Result<Unit> read_unit(const QueueWriter& queues, const QueueWriter::QueueName& name, bool batch,
                       std::int64_t number) {
  std::array<std::byte, format::kBatchConsumeQueueEntrySize> bytes{};
  const auto size =
      static_cast<std::size_t>(batch ? format::kBatchConsumeQueueEntrySize : format::kConsumeQueueEntrySize);
  RMQ_TRY(got, queues.read(name.topic, name.queue_id, number, std::span(bytes).first(size)));
  if (got == 0) return Unit{};
  if (!batch) return Unit{true, format::ConsumeQueueEntry::load(bytes.data()).commit_log_offset, number};
  const auto entry = format::BatchConsumeQueueEntry::load(bytes.data());
  return Unit{true, entry.commit_log_offset, entry.base_offset};
}

Status raise_queue(QueueWriter& queues, const QueueWriter::QueueName& name, std::int64_t log_begin) {
  const auto range = queues.range(name.topic, name.queue_id);
  if (!range || range->first == range->end) return {};
  std::int64_t low = range->first;  // of the units in [low, high), the first that leads into the log
  std::int64_t high = range->end;
  std::int64_t min_offset = range->next_offset;
  // Most queues begin in the log as it was already.
  for (std::int64_t look = low; low < high; look = low + (high - low) / 2) {
    RMQ_TRY(unit, read_unit(queues, name, range->batch, look));
    if (!unit.there) return {};  // forgotten since
    if (unit.log_offset < log_begin) {
      low = look + 1;
    } else {
      high = look;
      min_offset = unit.queue_offset;
    }
  }
  queues.expire(name.topic, name.queue_id, low, min_offset);
  return {};
}

Status remove_if_empty(io::FileSystem& files, const std::string& directory) {
  RMQ_TRY(left, files.list(directory));
  return left.empty() ? files.remove(directory) : Status();
}

}  // namespace

Status raise_queues(QueueWriter& queues, std::int64_t log_begin) {
  for (const QueueWriter::QueueName& name : queues.names()) RMQ_CHECK(raise_queue(queues, name, log_begin));
  return {};
}

Result<Removed> remove_expired_queue_files(io::FileSystem& files, const QueueWriter& queues, int most) {
  Removed removed;
  for (const QueueWriter::QueueName& name : queues.names()) {
    const auto needed = queues.first_needed_file(name.topic, name.queue_id);
    std::vector<std::string> expired;
    for (std::int64_t start = needed.start - needed.file_size; start >= 0; start -= needed.file_size) {
      std::string path = io::join_path(needed.directory, format::mapped_file_name(start));
      if (!files.stat(path)) break;
      expired.push_back(std::move(path));
    }
    for (auto path = expired.rbegin(); path != expired.rend(); ++path) {
      if (removed.files >= most) {
        removed.more = true;
        return removed;
      }
      RMQ_CHECK(files.remove(*path));
      ++removed.files;
    }
  }
  return removed;
}

Result<Removed> remove_expired_index_files(io::FileSystem& files, const std::string& directory,
                                           std::int64_t log_begin) {
  Removed removed;
  const auto listed = files.list(directory);
  if (!listed) {
    if (listed.error().code == ErrorCode::not_found) return removed;
    return listed.error();
  }
  std::vector<std::string> paths;
  for (const io::DirectoryEntry& entry : *listed)
    if (format::parse_index_file_name(entry.name)) paths.push_back(io::join_path(directory, entry.name));
  if (!paths.empty()) paths.pop_back();
  for (const std::string& path : paths) {
    std::array<std::byte, format::kIndexHeaderSize> head{};
    {
      RMQ_TRY(file, files.open(path));
      RMQ_TRY(got, file->read_at(0, head));
      const auto header = format::IndexHeader::parse(std::span(head).first(got));
      if (!header || header->end_phy_offset >= log_begin) return removed;
    }
    RMQ_CHECK(files.remove(path));
    ++removed.files;
  }
  return removed;
}

Status remove_queue_files(io::FileSystem& files, const std::string& queue_directory) {
  const auto listed = files.list(queue_directory);
  if (!listed) {
    if (listed.error().code == ErrorCode::not_found) return {};
    return listed.error();
  }
  for (const io::DirectoryEntry& entry : *listed) {
    if (entry.kind == io::EntryKind::file && format::parse_mapped_file_name(entry.name))
      RMQ_CHECK(files.remove(io::join_path(queue_directory, entry.name)));
  }
  RMQ_CHECK(remove_if_empty(files, queue_directory));
  return remove_if_empty(files, queue_directory.substr(0, queue_directory.find_last_of('/')));
}

}  // namespace rmq::derive
