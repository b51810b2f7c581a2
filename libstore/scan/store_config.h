// Where a store's parts lie and how it was configured, as far as files do not say it themselves.
// RocketMQ: MessageStoreConfig, BrokerConfig (keys and defaults as in broker.conf).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/io/read_file_system.h"

namespace rmq::scan {

struct StoreConfig {
  std::string root;
  // Empty: the default place below root. From broker.conf (storePathCommitLog, readOnlyCommitLogStorePaths,
  // ...) or from the command line. {ROOT} in a path stands for root.
  std::vector<std::string> commit_log_directories;
  // Those of them that get no new file (readOnlyCommitLogStorePaths).
  std::vector<std::string> read_only_commit_log_directories;
  std::string consume_queue_directory;
  std::string index_directory;
  std::string config_directory;

  // Given explicitly in broker.conf; absent means "find out from the files".
  std::optional<std::int64_t> commit_log_file_size;
  std::optional<std::int64_t> consume_queue_file_size;
  std::optional<std::int64_t> consume_queue_ext_file_size;
  std::optional<std::int64_t> batch_consume_queue_file_size;
  std::optional<std::int32_t> index_slots;
  std::optional<std::int32_t> index_entries;

  // Keys that decide what a stock broker does at start, with stock's defaults.
  bool check_crc_on_recover = true;
  bool force_verify_prop_crc = false;
  bool duplication_enable = false;
  bool enable_controller_mode = false;
  bool message_index_enable = true;
  bool message_index_safe = false;
  bool sync_flush = false;  // flushDiskType=SYNC_FLUSH
  bool recheck_reput_offset_from_cq = false;
  bool rocksdb_store = false;  // storeType=defaultRocksDB
  bool dledger = false;        // enableDLegerCommitLog
  bool from_broker_conf = false;
  bool broker_conf_says_something =
      false;  // one key at least that is read here, or that nearly every broker.conf has
  std::string message_delay_level;  // empty: stock's

  std::map<std::string, std::string> keys;  // every key=value of the file, for the rest
};

// Parses a broker.conf (java.util.Properties text) over `config`. Unknown keys are kept in `keys` and
// ignored, as stock ignores them. Where stock silently takes its default, this fails with wrong_use and names
// the line: a line that is no key=value, a number out of range, a word that is none of those allowed. Paths
// below the file's storePathRootDir are taken to lie below config.root.
[[nodiscard]] Result<StoreConfig> apply_broker_conf(StoreConfig config, std::string_view text);

}  // namespace rmq::scan
