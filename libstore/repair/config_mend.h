// The broker's state files made whole: from the .bak (or 4.9's .tmp), from what is left in a damaged file,
// and from what the log and its queues prove. Plans only; recovery::apply carries the steps out, and keeps
// what they replace. Afterwards stock loads every file (ConfigManager.load, the same in 4.9.7 and 5.3.3), and
// a second call has nothing to do. Page: docs/tools/rmq-repair.md.
//
// What is decided, and what for:
// - What a good file says stays, but for offsets that no queue can have.
// - A topic that a readable topics.json lacks comes back only when a message was stored in it after that
//   file's last change: else somebody deleted it.
// - Offsets that are lost stay lost: a delay level without an offset is delivered again from its first
//   message, and a consumer group without one decides by its consumeFromWhere. Any number made up here could
//   skip a message.
// - Nothing is made where nothing says that there was a broker's config/ (stores of the engine have none).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/format/config_files.h"
#include "libstore/io/read_file_system.h"
#include "libstore/recovery/plan.h"
#include "libstore/scan/store_survey.h"

namespace rmq::repair {

// Where the new content of a file comes from.
enum class ConfigSource {
  unchanged,  // it is good, but for values that were corrected
  backup,     // NAME.bak, or NAME.tmp
  salvage,    // entries that are left in damaged files
  evidence,   // log and queues, nothing else is left
  nothing,    // nothing is left: the file is set aside
};
[[nodiscard]] std::string_view to_string(ConfigSource source);

struct ConfigDecision {
  std::string file;  // as shown: "config/topics.json"
  ConfigSource source = ConfigSource::unchanged;
  std::string text;  // a sentence
};

struct ConfigMend {
  std::vector<recovery::Step> steps;
  std::vector<ConfigDecision> decisions;  // of the files that the steps change
  std::vector<std::string> notes;         // what was seen and left as it is, and what nobody can bring back
  // As stock loads them before the steps and after them.
  std::vector<format::ConsumerOffset> offsets_before;
  std::vector<format::ConsumerOffset> offsets_after;
  std::vector<format::DelayOffset> delays_before;
  std::vector<format::DelayOffset> delays_after;
  std::vector<std::string> groups;  // subscriptionGroup.json afterwards
  // That a topics.json which loads does not list, and will: until then nobody can read them.
  std::vector<std::string> topics_found;
  bool offsets_lost = false;  // there was a consumerOffset.json, and not all of it is known
  bool delays_lost = false;   // the same for delayOffset.json
};

// `plan` is a full one (recovery::Depth::full). Fails where a file cannot be read.
[[nodiscard]] Result<ConfigMend> mend_config(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                             const recovery::Plan& plan);

}  // namespace rmq::repair
