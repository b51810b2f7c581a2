#include "libstore/derive/deleted_topics.h"

#include <algorithm>

#include "libstore/bytes/big_endian.h"
#include "libstore/json/json_value.h"
#include "libstore/json/json_writer.h"

namespace rmq::derive {
namespace {

constexpr std::string_view kMember = "deletedTopics";
constexpr std::int64_t kLargestFile = 64 << 20;

}  // namespace

Result<DeletedTopics> DeletedTopics::load(const io::ReadFileSystem& files, const std::string& path) {
  DeletedTopics topics;
  const auto bytes = io::read_all(files, path, kLargestFile);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::not_found) return topics;
    return bytes.error();
  }
  const auto parsed = json::parse(as_text(*bytes));
  if (!parsed) return wrong_use(path + ": " + parsed.error().message());
  const json::Value* const table = parsed->find(kMember);
  if (table == nullptr || table->if_object() == nullptr)
    return wrong_use(path + ": no table '" + std::string(kMember) + "'");
  for (const json::Member& member : table->if_object()->members()) {
    const auto offset = member.value.as_int64();
    if (!offset) return wrong_use(path + ": no offset for '" + member.name + "'");
    topics.add(member.name, *offset);
  }
  return topics;
}

Status DeletedTopics::save(io::FileSystem& files, const std::string& path) const {
  json::Object table;
  for (const auto& [topic, log_offset] : topics_) table.set(topic, log_offset);
  json::Object all;
  all.set(kMember, std::move(table));
  const std::string text = json::write_fastjson(json::Value(std::move(all)));
  return files.replace(path, as_bytes(text));
}

void DeletedTopics::add(std::string_view topic, std::int64_t log_offset) {
  std::int64_t& known = topics_.emplace(topic, log_offset).first->second;
  known = std::max(known, log_offset);
}

bool DeletedTopics::expire(std::int64_t log_begin) {
  return std::erase_if(topics_, [&](const auto& topic) { return topic.second <= log_begin; }) > 0;
}

}  // namespace rmq::derive
