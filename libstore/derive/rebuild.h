// Consume queues and index files made anew from the whole log, or some queues of them: into directories where
// none of them are yet. What comes out is what stock builds while messages arrive, byte for byte, but for the
// names of index files; where the log has holes, queues keep the messages' own offsets (see HoleRule).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/derive/dispatch_request.h"
#include "libstore/derive/index_writer.h"
#include "libstore/derive/queue_writer.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/io/file_system.h"

namespace rmq::derive {

struct RebuildOptions {
  DispatchRules rules;
  std::optional<QueueWriterOptions> queues;  // QueueWriterOptions::kind_of says which; nothing: no queues
  std::optional<IndexWriterOptions> index;   // nothing: no index
  // The store time of the message at a log offset. Files get the time of their last message as time of
  // modification: stock looks for times by it, and deletes by it. Empty: they keep the time they were made.
  std::function<std::optional<std::int64_t>(std::int64_t log_offset)> store_timestamp;
};

struct RebuildReport {
  std::int64_t messages = 0;
  std::int64_t units = 0;
  std::int64_t keys = 0;
  std::int64_t already_there = 0;  // see PutReport
  std::int64_t unusable = 0;
  std::int64_t undispatchable = 0;  // messages of which stock makes nothing: see dispatch_request()
  std::int64_t holes = 0;
  std::vector<QueueHole> first_holes;  // at most kHolesTold
};

// One thread.
class Rebuild {
 public:
  static constexpr std::size_t kHolesTold = 1000;

  [[nodiscard]] static Result<std::unique_ptr<Rebuild>> begin(io::FileSystem& files, RebuildOptions options);

  // Each message of the log, in its order. Its bytes need not live on.
  [[nodiscard]] Status feed(const format::MessageView& message, std::int64_t log_offset);
  // A topic was deleted when the log had come to here: its queue begins anew with the next message.
  void forget(std::string_view topic, std::int32_t queue_id);
  // Everything on disk.
  [[nodiscard]] Result<RebuildReport> finish();

 private:
  static constexpr std::size_t kIndexBatch = 256;

  Rebuild(io::FileSystem& files, RebuildOptions options) : files_(files), options_(std::move(options)) {}
  [[nodiscard]] Status put_keys();
  [[nodiscard]] Status date_queues();
  [[nodiscard]] Status date_index();

  io::FileSystem& files_;
  RebuildOptions options_;
  std::unique_ptr<QueueWriter> queues_;
  std::unique_ptr<IndexWriter> index_;
  IndexBatch keys_;
  RebuildReport report_;
};

}  // namespace rmq::derive
