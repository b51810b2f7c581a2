// How a name server is configured: namesrv.conf (Java properties, -c) and UPDATE_NAMESRV_CONFIG. RocketMQ:
// NamesrvConfig, NettyServerConfig, NettyClientConfig and Configuration. Every key of theirs is taken and
// shown; what is wrong with one is said in a warning, where stock is silent. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "servers/wire/java_properties.h"

namespace rmq::namesrv {

enum class KeyType : std::uint8_t { flag, int32, int64, text };
enum class KeyOwner : std::uint8_t { namesrv, server, client };  // RocketMQ's three classes
enum class KeyState : std::uint8_t {
  used,
  meaningless,  // of Java's threads and buffers: nothing here goes by it
  later,        // its feature is not there yet
};
struct ConfigKey {
  std::string_view name;
  KeyType type;
  std::string_view value;  // default; $HOME stands for the user's directory
  KeyOwner owner;
  KeyState state;
  std::string_view meaning;
};
[[nodiscard]] std::span<const ConfigKey> config_keys();  // in RocketMQ's order

struct Surroundings {
  std::string rocketmq_home;  // $ROCKETMQ_HOME; may be empty: nothing here needs it
  std::string user_home;      // $HOME
};

// What the name server goes by.
struct Settings {
  std::string bind_address;
  std::uint16_t listen_port = 0;
  std::int64_t max_idle_seconds = 0;
  std::int64_t scan_interval_ms = 0;
  std::string kv_config_path;
  std::string config_store_path;
  std::string config_black_list;
  bool order_message_enable = false;
  bool return_order_topic_config = false;
  bool support_acting_master = false;
  bool enable_all_topic_list = false;
  bool enable_topic_list = false;
  bool notify_min_broker_id_changed = false;
  bool need_wait_for_service = false;
  std::int64_t wait_seconds_for_service = 0;
  bool delete_topic_with_registration = false;
};

class NamesrvConfig {
 public:
  explicit NamesrvConfig(const Surroundings& surroundings);

  // The file given with -c, whose path becomes configStorePath. Warnings, one sentence each: unknown keys,
  // values that are not taken, keys without effect.
  [[nodiscard]] std::vector<std::string> take_file(const wire::Properties& file, const std::string& path);
  // UPDATE_NAMESRV_CONFIG: as Configuration.update, known keys only.
  [[nodiscard]] std::vector<std::string> update(const wire::Properties& changes);

  [[nodiscard]] std::shared_ptr<const Settings> settings() const;
  // What GET_NAMESRV_CONFIG answers and the file is written as: the keys of NamesrvConfig and
  // NettyServerConfig, and those of the file.
  [[nodiscard]] wire::Properties shown() const;
  // -p: every key as "name=value", in RocketMQ's order.
  [[nodiscard]] std::string printed() const;

 private:
  void apply(const wire::Properties& properties, std::vector<std::string>& warnings);
  void rebuild();

  mutable std::mutex mutex_;
  wire::Properties values_;  // of every key
  wire::Properties others_;  // of the file, unknown
  std::shared_ptr<const Settings> settings_;
};

}  // namespace rmq::namesrv
