// Texts by namespace and key, on disk at each change. RocketMQ: KVConfigManager, kvConfig.json. Thread-safe;
// a change blocks until it is on disk.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "libstore/base/status.h"
#include "libstore/io/file_system.h"

namespace rmq::namesrv {

inline constexpr std::string_view kOrderTopicConfig = "ORDER_TOPIC_CONFIG";  // NamesrvUtil

class KvConfig {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{16}
                                            << 20;  // of names and values, and what keeping them costs

  KvConfig(io::FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  // From the file, or from its .bak where the file is damaged: then `warning` says so. A missing file is
  // empty.
  [[nodiscard]] Status load(std::string& warning);

  // No value, as with stock, forgets the key and keeps its namespace. Error wrong_use: more than kMostBytes.
  // Other errors: not on disk, but in force all the same, as with stock.
  [[nodiscard]] Status put(std::string_view name_space, std::string_view key,
                           std::optional<std::string_view> value);
  [[nodiscard]] Status remove(std::string_view name_space, std::string_view key);
  [[nodiscard]] std::optional<std::string> get(std::string_view name_space, std::string_view key) const;
  // The KVTable of a namespace, as JSON; nothing where there is no such namespace.
  [[nodiscard]] std::optional<std::string> list(std::string_view name_space) const;

 private:
  using Values = std::map<std::string, std::string, std::less<>>;
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] bool take(std::string_view text);

  io::FileSystem& files_;
  const std::string path_;
  std::mutex changing_;  // held over writing; before mutex_
  mutable std::shared_mutex mutex_;
  std::map<std::string, Values, std::less<>> table_;
  std::size_t bytes_ = 0;
};

}  // namespace rmq::namesrv
