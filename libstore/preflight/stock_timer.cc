#include "libstore/preflight/stock_timer.h"

#include <charconv>
#include <map>

#include "libstore/format/mapped_file_name.h"
#include "libstore/format/timer_slot.h"
#include "libstore/preflight/mapped_files.h"

namespace rmq::preflight {
namespace {

constexpr std::string_view kLogDirectory = "timerlog/";

// MessageStoreConfig.mappedFileSizeTimerLog, or the size that most files have; the larger one of two.
std::int64_t file_size_of(const scan::MappedFileSet& log, const scan::StoreConfig& config) {
  if (const auto given = config.keys.find("mappedFileSizeTimerLog"); given != config.keys.end()) {
    std::int64_t size = 0;
    const std::string& text = given->second;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (problem == std::errc{} && end == text.data() + text.size()) return size;
  }
  std::map<std::int64_t, int> votes;
  for (std::size_t i = 0; i < log.files.size(); ++i) {
    ++votes[log.files[i].size];
    if (i > 0) ++votes[log.files[i].start - log.files[i - 1].start];
  }
  std::int64_t winner = 0;
  for (const auto& [size, count] : votes) {
    if (winner == 0 || count >= votes[winner]) winner = size;
  }
  return winner;
}

scan::MappedFileSet timer_log(const scan::StoreSurvey& survey) {
  scan::MappedFileSet log;
  for (const scan::OtherFile& other : survey.others) {
    if (other.shown != std::string(kLogDirectory) + other.name) continue;
    const auto start = format::parse_mapped_file_name(other.name);
    if (!start) {
      log.strays.push_back(other);
      continue;
    }
    scan::MappedFile file;
    static_cast<scan::StoreFile&>(file) = other;
    file.start = *start;
    log.files.push_back(std::move(file));
  }
  log.file_size = file_size_of(log, survey.config);
  return log;
}

bool is_enabled(const scan::StoreConfig& config) {
  const auto given = config.keys.find("timerWheelEnable");
  return given == config.keys.end() || given->second != "false";
}

}  // namespace

TimerForecast forecast_timer(const scan::StoreSurvey& survey, const RecoveryRules& rules) {
  if (!rules.has_broker_5_state || !is_enabled(survey.config)) return {};
  for (const scan::OtherFile& other : survey.others) {
    if (other.shown != "timerwheel" || other.size == 0 || other.size == format::kTimerWheelFileSize) continue;
    return {"timerwheel has " + std::to_string(other.size) + " bytes instead of " +
                std::to_string(format::kTimerWheelFileSize),
            true};
  }
  const scan::MappedFileSet log = timer_log(survey);
  MappedFiles<MappedFileState> files;
  return {files.load(log, rules).value_or(""), false};
}

}  // namespace rmq::preflight
