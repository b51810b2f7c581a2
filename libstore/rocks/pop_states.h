// What is popped and not acknowledged, where a broker keeps that in RocksDB (kvStore/). RocketMQ:
// PopConsumerRocksdbStore.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "libstore/format/pop_state.h"
#include "libstore/io/read_file_system.h"
#include "libstore/scan/store_survey.h"

namespace rmq::rocks {

struct PopStateTable {
  std::int64_t bytes = 0;            // of its files
  std::int64_t strange_entries = 0;  // keys and values that are none, or do not belong together
  std::string fault;                 // why it cannot be read, or not to its end
};

[[nodiscard]] std::string pop_state_directory(const scan::StoreSurvey& survey);

// Whether kvStore/ holds a database, or what is left of one.
[[nodiscard]] bool is_pop_state_database(const io::ReadFileSystem& files, const scan::StoreSurvey& survey);

// How much of it is read.
enum class PopStateDepth {
  open,     // only whether it can be opened
  entries,  // every entry
};

// Hands every entry to `visit`, in the order in which they come again, until it says false.
using PopStateVisit = std::function<bool(const format::PopState&)>;
[[nodiscard]] PopStateTable read_pop_states(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                                            PopStateDepth depth, const PopStateVisit& visit);

}  // namespace rmq::rocks
