// For the tests of consume queues: what a log of made-up messages has to become, said in the simplest way.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "libstore/derive/queue_writer.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"
#include "libstore/format/mapped_file_name.h"
#include "libstore/io/file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::derive::testing {

inline constexpr const char* kSimple = "/store/consumequeue";
inline constexpr const char* kBatch = "/store/batchconsumequeue";

inline QueueWriterOptions small_options() {
  QueueWriterOptions options;
  options.simple_directory = kSimple;
  options.batch_directory = kBatch;
  options.simple_file_size = 16 * format::kConsumeQueueEntrySize;
  options.batch_file_size = 8 * format::kBatchConsumeQueueEntrySize;
  options.kind_of = [](std::string_view topic, std::int32_t) {
    return topic.starts_with("Batch") ? scan::QueueKind::batch : scan::QueueKind::simple;
  };
  return options;
}

// A log: messages one behind the other, each the next of its queue.
class LogOfMessages {
 public:
  explicit LogOfMessages(std::int64_t log_begin = 0) : end_(log_begin) {}

  // The queue's next offset is `offset`; for queues that do not begin at 0, and for holes.
  void begin(const std::string& topic, std::int32_t queue_id, std::int64_t offset) {
    next_[{topic, queue_id}] = offset;
  }
  const DispatchRequest& add(const std::string& topic, std::int32_t queue_id = 0,
                             std::int16_t batch_size = 1) {
    names_.push_back(std::make_unique<std::string>(topic));
    DispatchRequest request;
    request.topic = *names_.back();
    request.queue_id = queue_id;
    request.size = 100 + static_cast<std::int32_t>(messages_.size() % 7);
    request.log_offset = end_;
    request.tags_code = static_cast<std::int64_t>(messages_.size()) * 1'000'003 - 5;
    request.store_timestamp = 1'700'000'000'000 + static_cast<std::int64_t>(messages_.size());
    request.batch_size = batch_size;
    std::int64_t& next = next_[{topic, queue_id}];
    request.queue_offset = request.base_offset = next;
    next += batch_size;
    end_ += request.size;
    messages_.push_back(request);
    return messages_.back();
  }
  [[nodiscard]] const std::vector<DispatchRequest>& messages() const { return messages_; }
  [[nodiscard]] std::int64_t end() const { return end_; }

 private:
  std::vector<std::unique_ptr<std::string>> names_;
  std::vector<DispatchRequest> messages_;
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> next_;
  std::int64_t end_;
};

// Messages of a few simple and batch queues, some of which do not begin at 0.
inline LogOfMessages some_log(std::mt19937_64& random, int messages) {
  LogOfMessages log(1000);
  log.begin("Late", 0, 21);
  log.begin("Late", 1, 32);
  for (int i = 0; i < messages; ++i) {
    switch (random() % 8) {
      case 0: log.add("Late", static_cast<std::int32_t>(random() % 2)); break;
      case 1: log.add("BatchA", 0, static_cast<std::int16_t>(1 + random() % 5)); break;
      case 2: log.add("BatchB", static_cast<std::int32_t>(random() % 3)); break;
      case 3: log.add("Rare", static_cast<std::int32_t>(random() % 40)); break;
      default: log.add("Busy", static_cast<std::int32_t>(random() % 3)); break;
    }
  }
  return log;
}

using FileImages = std::map<std::string, std::vector<std::byte>>;

// Every file below a directory.
inline FileImages images(const io::ReadFileSystem& files, const std::string& directory) {
  FileImages found;
  const auto entries = files.list(directory);
  if (!entries) return found;
  for (const io::DirectoryEntry& entry : *entries) {
    const std::string path = io::join_path(directory, entry.name);
    if (entry.kind == io::EntryKind::directory) {
      found.merge(images(files, path));
    } else if (auto bytes = io::read_all(files, path, 1 << 30)) {
      found[path] = *std::move(bytes);
    }
  }
  return found;
}

// The files as they have to be, for messages without multi-dispatch.
inline FileImages expected_images(const std::vector<DispatchRequest>& messages,
                                  const QueueWriterOptions& options) {
  FileImages found;
  std::map<std::string, std::int64_t> units;  // of batch queues, by directory
  for (const DispatchRequest& message : messages) {
    const bool batch = message.topic.starts_with("Batch");
    const std::int64_t file_size = batch ? options.batch_file_size : options.simple_file_size;
    const std::string directory = (batch ? kBatch : kSimple) + ("/" + std::string(message.topic)) + "/" +
                                  std::to_string(message.queue_id);
    const std::int64_t position = batch ? units[directory]++ * format::kBatchConsumeQueueEntrySize
                                        : message.queue_offset * format::kConsumeQueueEntrySize;
    const bool is_first = found.lower_bound(directory + "/") == found.end() ||
                          !found.lower_bound(directory + "/")->first.starts_with(directory + "/");
    std::vector<std::byte>& bytes =
        found[directory + "/" + format::mapped_file_name(position / file_size * file_size)];
    bytes.resize(static_cast<std::size_t>(file_size));
    if (batch) {
      format::BatchConsumeQueueEntry entry{message.log_offset,
                                           message.size,
                                           message.tags_code,
                                           message.store_timestamp,
                                           message.base_offset,
                                           message.batch_size,
                                           -1,
                                           0};
      entry.store(bytes.data() + position % file_size);
      continue;
    }
    for (std::int64_t blank = 0; is_first && blank < position % file_size;
         blank += format::kConsumeQueueEntrySize)
      format::kPreBlankEntry.store(bytes.data() + blank);
    format::ConsumeQueueEntry{message.log_offset, message.size, message.tags_code}.store(
        bytes.data() + position % file_size);
  }
  return found;
}

// Every queue below the store's queue directories, as an opener finds them; the names of those that cannot be
// opened go to `failed`.
inline std::vector<std::pair<scan::Queue, QueueTail>> tails(const io::ReadFileSystem& files,
                                                            std::int64_t log_end,
                                                            std::vector<std::string>* failed = nullptr) {
  std::vector<std::pair<scan::Queue, QueueTail>> found;
  scan::StoreConfig config;
  config.root = "/store";
  config.consume_queue_file_size = small_options().simple_file_size;
  config.batch_consume_queue_file_size = small_options().batch_file_size;
  const auto survey = scan::survey_store(files, config);
  if (!survey) return found;
  for (const scan::Queue& queue : survey->queues) {
    const auto tail = find_queue_tail(files, queue, {0, log_end});
    if (tail) {
      found.emplace_back(queue, *tail);
    } else if (failed != nullptr) {
      failed->push_back(queue.topic + "/" + std::to_string(queue.queue_id) + ": " + tail.error().message());
    }
  }
  return found;
}

}  // namespace rmq::derive::testing
