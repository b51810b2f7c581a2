#include "servers/broker/store_options.h"

#include <arpa/inet.h>

#include <array>
#include <string>

namespace rmq::broker {
namespace {

std::vector<std::string> paths_of(std::string_view text) {
  std::vector<std::string> paths;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    if (end > 0) paths.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return paths;
}

}  // namespace

engine::StoreOptions store_options_of(const BrokerConfig& config) {
  engine::StoreOptions options;
  scan::StoreConfig& store = options.config;
  store.root = config.text<"storePathRootDir">();
  store.commit_log_directories = paths_of(config.text<"storePathCommitLog">());
  store.read_only_commit_log_directories = paths_of(config.text<"readOnlyCommitLogStorePaths">());
  for (const std::string& path : store.read_only_commit_log_directories)
    if (std::ranges::find(store.commit_log_directories, path) == store.commit_log_directories.end())
      store.commit_log_directories.push_back(path);
  store.commit_log_file_size = config.number<"mappedFileSizeCommitLog">();
  // MessageStoreConfig rounds it up to whole units.
  constexpr std::int64_t kUnit = 20;
  store.consume_queue_file_size = (config.number<"mappedFileSizeConsumeQueue">() + kUnit - 1) / kUnit * kUnit;
  store.consume_queue_ext_file_size = config.number<"mappedFileSizeConsumeQueueExt">();
  store.batch_consume_queue_file_size = config.number<"mapperFileSizeBatchConsumeQueue">();
  store.index_slots = static_cast<std::int32_t>(config.number<"maxHashSlotNum">());
  store.index_entries = static_cast<std::int32_t>(config.number<"maxIndexNum">());
  store.check_crc_on_recover = config.flag<"checkCRCOnRecover">();
  store.force_verify_prop_crc = config.flag<"forceVerifyPropCRC">();
  store.message_index_enable = config.flag<"messageIndexEnable">();
  store.sync_flush = config.text<"flushDiskType">() == "SYNC_FLUSH";
  store.message_delay_level = config.text<"messageDelayLevel">();
  store.from_broker_conf = true;
  store.broker_conf_says_something = true;
  for (const auto& [name, value] : config.all()) store.keys.emplace(name, value);

  options.flush = store.sync_flush ? engine::FlushDiskType::sync_flush : engine::FlushDiskType::async_flush;
  // Sends are measured before they come to the store, because the key may change while it is open; none is
  // larger than a frame.
  constexpr std::int64_t kMaxFrame = 16 << 20;
  options.max_message_size =
      static_cast<std::int32_t>(std::max(config.number<"maxMessageSize">(), kMaxFrame));
  options.flush_interval_ms = config.number<"flushIntervalCommitLog">();
  options.queue_flush_interval_ms = config.number<"flushIntervalConsumeQueue">();
  engine::RetentionOptions retention;
  retention.file_reserved_hours = config.number<"fileReservedTime">();
  retention.delete_when = config.text<"deleteWhen">();
  retention.disk_max_used_space_ratio = static_cast<int>(config.number<"diskMaxUsedSpaceRatio">());
  retention.disk_space_clean_forcibly_ratio =
      static_cast<int>(config.number<"diskSpaceCleanForciblyRatio">());
  retention.disk_space_warning_level_ratio = static_cast<int>(config.number<"diskSpaceWarningLevelRatio">());
  retention.clean_file_forcibly_enable = config.flag<"cleanFileForciblyEnable">();
  retention.delete_file_batch_max = static_cast<int>(config.number<"deleteFileBatchMax">());
  retention.clean_resource_interval = config.number<"cleanResourceInterval">();
  options.retention = retention;
  return options;
}

std::vector<std::byte> address_bytes(std::string_view address) {
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  const std::string text(address);
  std::array<std::byte, 16> bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return {bytes.begin(), bytes.end()};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) return {bytes.begin(), bytes.begin() + 4};
  return {std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}};
}

}  // namespace rmq::broker
