// How a broker is configured: broker.conf, the command line and UPDATE_BROKER_CONFIG, over the table of
// config_keys.h. RocketMQ: BrokerConfig and its four companions, and Configuration.
//
//   config.flag<"autoCreateTopicEnable">(), config.number<"defaultTopicQueueNums">(),
//   config.text<"brokerName">()
//
// A key that the table does not have, or has with another type, does not compile. Thread-safe: values may
// change while the broker runs; flags and numbers cost one relaxed load, texts a lock and a copy.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/base/status.h"
#include "libstore/format/config_files.h"
#include "libstore/io/file_system.h"
#include "servers/broker/config_keys.h"
#include "servers/wire/java_properties.h"

namespace rmq::broker {

// A literal as template argument.
template <std::size_t N>
struct KeyName {
  consteval KeyName(const char (&literal)[N]) { std::copy_n(literal, N, text); }
  [[nodiscard]] constexpr std::string_view view() const { return {text, N - 1}; }
  char text[N]{};
};

// What the machine and the environment say; injected, so that tests are the same everywhere.
struct Surroundings {
  std::string home;        // ROCKETMQ_HOME
  std::string namesrv;     // NAMESRV_ADDR
  std::string user_home;   // user.home: the store lies in store/ below it
  std::string host_name;   // brokerName's default
  std::string address;     // brokerIP1's and brokerIP2's default
  std::int64_t cores = 1;  // thread pools' defaults
};
[[nodiscard]] Surroundings surroundings_of_this_machine();

class BrokerConfig {
 public:
  explicit BrokerConfig(const Surroundings& surroundings);

  template <KeyName Name>
  [[nodiscard]] bool flag() const {
    constexpr std::size_t index = index_of<Name, KeyType::flag>();
    return numbers_[index].load(std::memory_order_relaxed) != 0;
  }
  template <KeyName Name>
  [[nodiscard]] std::int64_t number() const {
    constexpr std::size_t index = key_index(Name.view());
    static_assert(index < kConfigKeys.size(), "no such key");
    static_assert(kConfigKeys[index].type == KeyType::int32 || kConfigKeys[index].type == KeyType::int64);
    return numbers_[index].load(std::memory_order_relaxed);
  }
  template <KeyName Name>
  [[nodiscard]] std::string text() const {
    constexpr std::size_t index = key_index(Name.view());
    static_assert(index < kConfigKeys.size(), "no such key");
    static_assert(kConfigKeys[index].type == KeyType::text || kConfigKeys[index].type == KeyType::choice);
    return shown(index);
  }

  // Takes what it can; the rest is told: unknown keys with the nearest known one, values that make no sense
  // with those that do, keys of features that are not there yet. A value that makes no sense leaves the one
  // there was, as in stock. RocketMQ: MixAll.properties2Object.
  std::vector<std::string> apply(const wire::Properties& properties);
  // What BrokerStartup does once everything is read: the role decides on the broker's number, and so on.
  // Fails with what stock ends with.
  [[nodiscard]] Status settle();

  // A key's value as it stands in a file, by its index in the table.
  [[nodiscard]] std::string shown(std::size_t index) const;
  // All keys, and those of the file that the table does not have: what GET_BROKER_CONFIG gives.
  [[nodiscard]] wire::Properties all() const;

  // "key=value" lines in the table's order (-p), or only the keys that RocketMQ calls important (-m).
  [[nodiscard]] std::string printed(bool important) const;

  // Where UPDATE_BROKER_CONFIG persists; empty: nowhere.
  void set_path(std::string path);
  [[nodiscard]] std::string path() const;
  // Applies and writes the file, all keys, as stock does. Keys of configBlackList fail with wrong_use.
  // RocketMQ: Configuration.update.
  [[nodiscard]] Result<std::vector<std::string>> update(io::FileSystem& files,
                                                        const wire::Properties& changes, std::int64_t now_ms);
  [[nodiscard]] format::DataVersion data_version() const;

 private:
  template <KeyName Name, KeyType Type>
  [[nodiscard]] static consteval std::size_t index_of() {
    constexpr std::size_t index = key_index(Name.view());
    static_assert(index < kConfigKeys.size(), "no such key");
    static_assert(kConfigKeys[index].type == Type, "the key has another type");
    return index;
  }
  // Every row of that name; the text is one that the key's type takes.
  void set(std::string_view name, std::string_view text);

  std::array<std::atomic<std::int64_t>, kConfigKeys.size()> numbers_{};  // of flags and numbers
  mutable std::shared_mutex mutex_;
  std::array<std::string, kConfigKeys.size()> texts_;
  wire::Properties others_;
  std::string path_;
  format::DataVersion version_;
};

}  // namespace rmq::broker
