// How far each consumer group has read: consumerOffset.json. RocketMQ: ConsumerOffsetManager.
//
// Threads: everything from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/engine/clock.h"
#include "libstore/format/config_files.h"
#include "servers/broker/broker_config.h"
#include "servers/broker/state_file.h"

namespace rmq::broker {

class ConsumerOffsets {
 public:
  // Queue to offset.
  using Queues = std::map<std::int32_t, std::int64_t>;

  ConsumerOffsets(io::FileSystem& files, const std::string& directory, const BrokerConfig& config,
                  const engine::Clock& clock);

  // `max_offset` gives a queue's end, or nothing where there is no such queue. An offset beyond it is taken
  // back to it and named in what this returns: stock would skip what is put there later.
  using MaxOffset = std::function<std::optional<std::int64_t>(std::string_view topic, std::int32_t queue)>;
  [[nodiscard]] Result<std::vector<std::string>> load(const MaxOffset& max_offset);

  // False: it is less than what was there; it counts all the same.
  bool commit(std::string_view group, std::string_view topic, std::int32_t queue, std::int64_t offset);
  // The offset that a reset left there, else the committed one.
  [[nodiscard]] std::optional<std::int64_t> query(std::string_view group, std::string_view topic,
                                                  std::int32_t queue) const;
  // All of a group's queues of a topic, without resets.
  [[nodiscard]] Queues query(std::string_view group, std::string_view topic) const;

  // How far a group has pulled, which need not be committed. Not persisted.
  void commit_pull(std::string_view group, std::string_view topic, std::int32_t queue, std::int64_t offset);
  [[nodiscard]] std::optional<std::int64_t> query_pull(std::string_view group, std::string_view topic,
                                                       std::int32_t queue) const;
  void clear_pull(std::string_view group, std::string_view topic);

  // The next pull of this queue is sent to `offset`, once; the offset is committed now. assignResetOffset.
  void assign_reset(std::string_view group, std::string_view topic, std::int32_t queue, std::int64_t offset);
  [[nodiscard]] bool has_reset(std::string_view group, std::string_view topic, std::int32_t queue) const;
  [[nodiscard]] std::optional<std::int64_t> take_reset(std::string_view group, std::string_view topic,
                                                       std::int32_t queue);

  void clone(std::string_view from_group, std::string_view to_group, std::string_view topic);
  void remove_group(std::string_view group);  // resets and pull offsets too
  void remove_topic(std::string_view topic);

  [[nodiscard]] std::vector<std::string> topics_of(std::string_view group) const;  // sorted
  [[nodiscard]] std::vector<std::string> groups_of(std::string_view topic) const;
  // The smallest offset of each queue over all groups but these, where the log still has it. As in
  // queryMinOffsetInAllGroup, but that one forgets the offsets of the groups that are left out.
  [[nodiscard]] Queues smallest(std::string_view topic, const std::vector<std::string>& without,
                                const std::function<std::int64_t(std::int32_t queue)>& min_offset) const;
  void visit(
      const std::function<void(std::string_view group, std::string_view topic, const Queues&)>& see) const;
  // Removes what `gone` says of (group, topic, offsets). scanUnsubscribedTopic.
  void remove_if(
      const std::function<bool(std::string_view group, std::string_view topic, const Queues&)>& gone);

  [[nodiscard]] format::DataVersion data_version() const;
  [[nodiscard]] json::Value snapshot() const;  // consumerOffset.json's value
  // Writes the file where something changed since.
  [[nodiscard]] Status persist();

 private:
  struct Entry {
    std::string topic;
    std::string group;  // empty where the key has no '@'
    Queues committed;
    Queues resets;
    Queues pulled;
    bool listed = false;  // has been committed to: stands in the file
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  // A part of the table with a lock of its own, by topic@group.
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries;
  };
  static constexpr std::size_t kShards = 16;

  [[nodiscard]] Shard& shard_of(std::string_view key);
  [[nodiscard]] const Shard& shard_of(std::string_view key) const;
  [[nodiscard]] static Entry& entry_of(Shard& shard, std::string_view key, std::string_view topic,
                                       std::string_view group);
  void count_commit();

  const BrokerConfig& config_;
  const engine::Clock& clock_;
  StateFile file_;
  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::uint64_t> changes_{0};
  mutable std::mutex version_mutex_;
  format::DataVersion version_;
  json::Value others_;  // members of the file that are not this manager's
  std::mutex save_mutex_;
  std::uint64_t saved_changes_ = 0;
};

}  // namespace rmq::broker
