// Which of a broker's state files load, and from where: NAME, or NAME.bak, or nothing.
// RocketMQ: ConfigManager.load, BrokerController.initializeMetadata (initialize in 4.x).
#pragma once

#include <map>
#include <optional>
#include <string>

#include "libstore/io/read_file_system.h"
#include "libstore/preflight/recovery_rules.h"
#include "libstore/preflight/topic_table.h"
#include "libstore/scan/store_survey.h"

namespace rmq::preflight {

struct ConfigForecast {
  std::map<std::string, std::string> loaded;  // file name -> "json", "bak", "none"
  std::string failed;                         // the file whose failure stops the start; empty: none does
  bool failed_after_store = false;  // it is read only after the store has recovered (delayOffset.json)
  TopicTable topics;
  std::optional<Error> fault;  // a file that is there and could not be read: the forecast is void
};

[[nodiscard]] ConfigForecast forecast_config(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                             const RecoveryRules& rules);

}  // namespace rmq::preflight
