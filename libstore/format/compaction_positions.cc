#include "libstore/format/compaction_positions.h"

namespace rmq::format {
namespace {

json::JsonError fault(std::string what) {
  json::JsonError error;
  error.line = 0;
  error.column = 0;
  error.what = std::move(what);
  return error;
}

}  // namespace

json::Parsed<std::map<std::string, std::int64_t, std::less<>>> read_compaction_positions(
    std::string_view text) {
  const auto file = json::parse(text);
  if (!file) return file.error();
  if (file->if_object() == nullptr) return fault("the file is no object");
  std::map<std::string, std::int64_t, std::less<>> positions;
  const json::Value* const table = file->find("queueOffsetMap");
  if (table == nullptr || table->is_null()) return positions;
  if (table->if_object() == nullptr) return fault("queueOffsetMap is no object");
  for (const json::Member& member : table->if_object()->members()) {
    const auto offset = member.value.as_int64();
    if (!offset) return fault("queueOffsetMap has no number at " + member.name);
    positions[member.name] = *offset;
  }
  return positions;
}

}  // namespace rmq::format
