#include "libstore/derive/rebuild.h"

#include <algorithm>
#include <array>

#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"

namespace rmq::derive {

Result<std::unique_ptr<Rebuild>> Rebuild::begin(io::FileSystem& files, RebuildOptions options) {
  auto rebuild = std::unique_ptr<Rebuild>(new Rebuild(files, std::move(options)));
  if (rebuild->options_.queues)
    rebuild->queues_ = std::make_unique<QueueWriter>(files, *rebuild->options_.queues);
  if (rebuild->options_.index) {
    RMQ_TRY(index, IndexWriter::open(files, *rebuild->options_.index, {}));
    rebuild->index_ = std::move(index);
  }
  return rebuild;
}

Status Rebuild::feed(const format::MessageView& message, std::int64_t log_offset) {
  ++report_.messages;
  const auto request = dispatch_request(message, log_offset, options_.rules);
  if (!request) {
    ++report_.undispatchable;
    return {};
  }
  if (queues_) {
    PutReport put = queues_->put({&*request, 1});
    RMQ_CHECK(put.status);
    report_.units += put.appended;
    report_.already_there += put.already_there;
    report_.unusable += put.unusable;
    report_.holes += static_cast<std::int64_t>(put.holes.size());
    for (QueueHole& hole : put.holes)
      if (report_.first_holes.size() < kHolesTold) report_.first_holes.push_back(std::move(hole));
  }
  if (index_) {
    keys_.add(*request);
    if (keys_.size() >= kIndexBatch) return put_keys();
  }
  return {};
}

void Rebuild::forget(std::string_view topic, std::int32_t queue_id) {
  if (queues_) queues_->forget(topic, queue_id);
}

Status Rebuild::put_keys() {
  const IndexWriter::PutReport put = index_->put(keys_);
  report_.keys += put.keys;
  keys_.clear();
  return put.status;
}

Result<RebuildReport> Rebuild::finish() {
  if (queues_) {
    RMQ_CHECK(queues_->flush());
    if (options_.store_timestamp) RMQ_CHECK(date_queues());
  }
  if (index_) {
    RMQ_CHECK(put_keys());
    RMQ_CHECK(index_->sync());
    if (options_.store_timestamp) RMQ_CHECK(date_index());
  }
  return report_;
}

Status Rebuild::date_queues() {
  for (const QueueWriter::QueueName& name : queues_->names()) {
    const auto range = queues_->range(name.topic, name.queue_id);
    if (!range || range->first == range->end) continue;
    const std::int64_t in_file =
        range->batch ? options_.queues->batch_file_size / format::kBatchConsumeQueueEntrySize
                     : (options_.queues->simple_file_size + format::kConsumeQueueEntrySize - 1) /
                           format::kConsumeQueueEntrySize;
    for (std::int64_t file = range->first / in_file; file * in_file < range->end; ++file) {
      const std::int64_t last = std::min((file + 1) * in_file, range->end) - 1;
      std::array<std::byte, format::kBatchConsumeQueueEntrySize> unit{};
      RMQ_TRY(got, queues_->read(name.topic, name.queue_id, last, unit));
      if (got == 0) continue;
      // Both kinds of units begin with it.
      const auto when = options_.store_timestamp(load_be<std::int64_t>(unit.data()));
      if (when) RMQ_CHECK(files_.set_modified(queues_->path_of_unit(name.topic, name.queue_id, last), *when));
    }
  }
  return {};
}

Status Rebuild::date_index() {
  for (const std::string& path : index_->created()) {
    std::array<std::byte, format::kIndexHeaderSize> head{};
    RMQ_TRY(file, files_.open(path));
    RMQ_TRY(got, file->read_at(0, head));
    const auto header = format::IndexHeader::parse(std::span(head).first(got));
    if (header && header->end_timestamp > 0) RMQ_CHECK(files_.set_modified(path, header->end_timestamp));
  }
  return {};
}

}  // namespace rmq::derive
