#include "libstore/rocks/pop_states.h"

#include <algorithm>

#include "libstore/bytes/big_endian.h"
#include "libstore/rocks/database.h"

namespace rmq::rocks {
namespace {

void read_entries(const Database& database, PopStateTable& table, const PopStateVisit& visit) {
  const auto cursor = database.cursor(format::kPopStateFamily);
  if (cursor == nullptr) return;  // opened once, never used
  for (cursor->seek_first(); const auto entry = cursor->entry(); cursor->next()) {
    const auto state = format::parse_pop_state(as_text(entry->value));
    if (!state || !std::ranges::equal(state->key().encode(), entry->key)) {
      ++table.strange_entries;
    } else if (!visit(*state)) {
      break;
    }
  }
  table.fault = cursor->fault();
}

}  // namespace

std::string pop_state_directory(const scan::StoreSurvey& survey) {
  return io::join_path(survey.root, "kvStore");
}

bool is_pop_state_database(const io::ReadFileSystem& files, const scan::StoreSurvey& survey) {
  return is_database(files, pop_state_directory(survey));
}

PopStateTable read_pop_states(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                              PopStateDepth depth, const PopStateVisit& visit) {
  PopStateTable table;
  if (!is_pop_state_database(files, survey)) return table;
  for (const DatabaseFile& file : database_files(files, pop_state_directory(survey))) table.bytes += file.size;
  const auto database = Database::open(files, pop_state_directory(survey));
  if (!database) {
    table.fault = database.error().message();
    return table;
  }
  if (depth == PopStateDepth::entries) read_entries(**database, table, visit);
  return table;
}

}  // namespace rmq::rocks
