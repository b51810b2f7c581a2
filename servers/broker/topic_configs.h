// Which topics this broker has, and how: topics.json. RocketMQ: TopicConfigManager, TopicValidator.
//
// Threads: everything from any thread. What find() gives never changes; a change makes a new one.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
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

inline constexpr std::int32_t kPermPriority = 8;
inline constexpr std::int32_t kPermRead = 4;
inline constexpr std::int32_t kPermWrite = 2;
inline constexpr std::int32_t kPermInherit = 1;

inline constexpr std::string_view kAutoCreateTopic = "TBW102";
inline constexpr std::string_view kScheduleTopic = "SCHEDULE_TOPIC_XXXX";
inline constexpr std::string_view kHalfTopic = "RMQ_SYS_TRANS_HALF_TOPIC";
inline constexpr std::string_view kOpHalfTopic = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
inline constexpr std::string_view kTransCheckMaxTimeTopic = "TRANS_CHECK_MAX_TIME_TOPIC";
inline constexpr std::string_view kSelfTestTopic = "SELF_TEST_TOPIC";
inline constexpr std::string_view kOffsetMovedEventTopic = "OFFSET_MOVED_EVENT";
inline constexpr std::string_view kBenchmarkTopic = "BenchmarkTest";
inline constexpr std::string_view kTimerTopic = "rmq_sys_wheel_timer";
inline constexpr std::string_view kRetryPrefix = "%RETRY%";
inline constexpr std::string_view kDlqPrefix = "%DLQ%";

// The remark that a client gets who uses this name; empty: the name is good. TopicValidator.validateTopic.
[[nodiscard]] std::string topic_name_problem(std::string_view topic);
// TopicValidator.isTopicOrGroupIllegal: a character that is not allowed in names.
[[nodiscard]] bool has_illegal_character(std::string_view name);
// Topics that clients must not send to (NOT_ALLOWED_SEND_TOPIC_SET).
[[nodiscard]] bool is_not_sendable(std::string_view topic);

using TopicConfigPtr = std::shared_ptr<const format::TopicConfig>;

class TopicConfigs {
 public:
  // Called after topics changed, with no lock held, by the thread that changed them: they are to be
  // registered with the name servers.
  using Changed = std::function<void(const std::vector<TopicConfigPtr>& topics)>;

  TopicConfigs(io::FileSystem& files, const std::string& directory, const BrokerConfig& config,
               const engine::Clock& clock);

  // The file, over the system topics that every broker has.
  [[nodiscard]] Status load();
  void on_change(Changed changed) { changed_ = std::move(changed); }

  // Null: no such topic.
  [[nodiscard]] TopicConfigPtr find(std::string_view topic) const;
  // Another number whenever anything changed: whoever keeps what find() gave looks here whether it holds.
  [[nodiscard]] std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  [[nodiscard]] bool is_system_topic(std::string_view topic) const;
  [[nodiscard]] const std::set<std::string, std::less<>>& system_topics() const { return system_topics_; }

  // The topic, made like `default_topic` when it is not there and that one can be inherited from; null where
  // it cannot. createTopicInSendMessageMethod.
  [[nodiscard]] TopicConfigPtr create_in_send(std::string_view topic, std::string_view default_topic,
                                              std::string_view client, std::int32_t client_queues,
                                              std::int32_t sys_flag);
  // The topic, made with these when it is not there; `order` is changed when it is.
  // createTopicInSendMessageBackMethod, for retry topics and dead letters.
  [[nodiscard]] TopicConfigPtr create_in_send_back(std::string_view topic, std::int32_t queues,
                                                   std::int32_t perm, bool order = false,
                                                   std::int32_t sys_flag = 0);
  // As it is given, when it is not there. createTopicIfAbsent.
  TopicConfigPtr create_if_absent(const format::TopicConfig& topic);

  // Adds or replaces; `topic.attributes` are changes (+name, -name) to the ones there are. Fails with
  // wrong_use, and what the client is told, where they are not allowed. Nobody is told: registering is the
  // caller's.
  [[nodiscard]] Result<TopicConfigPtr> update(const format::TopicConfig& topic);
  [[nodiscard]] Result<std::vector<TopicConfigPtr>> update(const std::vector<format::TopicConfig>& topics);
  bool remove(std::string_view topic);
  // Topics that the name servers call ordered are so from now on. updateOrderTopicConfig.
  void set_ordered(const std::vector<std::string>& topics);

  [[nodiscard]] std::vector<TopicConfigPtr> all() const;
  [[nodiscard]] format::DataVersion data_version() const;
  // enableSplitRegistration makes each package's version another.
  void bump_data_version();
  // topics.json's value as it is now: what requests 21 and 103 carry.
  [[nodiscard]] json::Value snapshot() const;
  // Every change is on disk already; at the end of the broker once more.
  [[nodiscard]] Status persist();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Table = std::unordered_map<std::string, TopicConfigPtr, Hash, std::equal_to<>>;

  void add_system_topics();
  void add_system_topic(std::string_view name, std::int32_t queues, std::int32_t perm);
  // With mutex_ held for writing.
  TopicConfigPtr put(format::TopicConfig topic);
  void next_version();
  void changed(const std::vector<TopicConfigPtr>& topics);

  const BrokerConfig& config_;
  const engine::Clock& clock_;
  StateFile file_;
  Changed changed_;
  std::set<std::string, std::less<>> system_topics_;
  mutable std::shared_mutex mutex_;
  std::atomic<std::uint64_t> generation_{1};
  Table table_;
  json::Value value_;  // topics.json
  format::DataVersion version_;
  std::mutex save_mutex_;
};

}  // namespace rmq::broker
