// Topics, groups and consumer offsets that a broker keeps in RocksDB: three databases with
// storeType=defaultRocksDB (config/topics, subscriptionGroups, consumerOffsets), or one with
// configManagerVersion=v2 (config/rdb). What is found is given as the values that the JSON files would hold,
// for the readers of config_files.h. RocketMQ: RocksDBConfigManager and broker.config.v1, broker.config.v2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libstore/format/config_files.h"
#include "libstore/io/read_file_system.h"
#include "libstore/json/json_value.h"
#include "libstore/scan/store_survey.h"

namespace rmq::rocks {

struct ConfigTable {
  format::ConfigFileKind kind;
  std::string database;              // shown: "config/topics"
  std::int64_t bytes = 0;            // of its files
  std::optional<json::Value> value;  // nothing where it cannot be read
  std::optional<format::DataVersion> version;
  std::int64_t strange_entries = 0;  // keys and values that are none
  std::string fault;                 // why it cannot be read, or not to its end
};

// In the order topics, groups, offsets; none where configuration is in files. Entries beyond 256 MiB are not
// read (a fault).
[[nodiscard]] std::vector<ConfigTable> read_config_tables(const io::ReadFileSystem& files,
                                                          const scan::StoreSurvey& survey);

}  // namespace rmq::rocks
