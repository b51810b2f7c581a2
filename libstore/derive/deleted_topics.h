// Topics that were deleted while the log still has messages of them: up to where in the log they are gone.
// Stock keeps no such list, and builds queues of deleted topics again from what it dispatches after a kill;
// with it they stay deleted, and a topic that was made again begins with its own messages.
// Kept in config/deletedTopics.json, which stock neither reads nor minds:
//   {"deletedTopics":{"Orders":123456}}
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "libstore/base/error.h"
#include "libstore/base/status.h"
#include "libstore/io/file_system.h"

namespace rmq::derive {

inline constexpr std::string_view kDeletedTopicsFileName = "deletedTopics.json";

// Not thread-safe.
class DeletedTopics {
 public:
  // No file: no topics. A file that says nothing sensible is an error (wrong_use): to go on without it would
  // bring topics back to life.
  [[nodiscard]] static Result<DeletedTopics> load(const io::ReadFileSystem& files, const std::string& path);
  [[nodiscard]] Status save(io::FileSystem& files, const std::string& path) const;

  // What the log has of the topic below `log_offset` is gone.
  void add(std::string_view topic, std::int64_t log_offset);
  // True for a message, or a queue's unit of one, that must not come back.
  [[nodiscard]] bool covers(std::string_view topic, std::int64_t log_offset) const {
    if (topics_.empty()) return false;
    const auto found = topics_.find(topic);
    return found != topics_.end() && log_offset < found->second;
  }
  [[nodiscard]] bool contains(std::string_view topic) const { return topics_.contains(topic); }
  // Leaves out those of which the log has nothing any more. True if there were any.
  bool expire(std::int64_t log_begin);
  [[nodiscard]] std::size_t size() const { return topics_.size(); }

 private:
  std::map<std::string, std::int64_t, std::less<>> topics_;
};

}  // namespace rmq::derive
