#include "libstore/repair/config_salvage.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rmq::repair {
namespace {

using format::ConfigFileKind;
using json::KeyForm;
using json::Member;
using json::Object;
using json::Value;

constexpr std::size_t kLongestName = 512;  // a topic has 255 characters at most, topic@group two of them
constexpr int kDeepest = 8;                // brackets within an entry: what keeps the search linear
constexpr std::size_t kLastToken = 8;      // how far before a text's end a cut shows
constexpr std::string_view kLmqTable = "lmqOffsetTable";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// TopicValidator and its like take less; LMQ topics and retry topics of pop consumers take these too.
bool is_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7F && c != '"'; });
}

bool is_offset_key(std::string_view key) {
  const std::size_t at = key.find('@');
  return at != key.npos && is_name(key.substr(0, at)) && is_name(key.substr(at + 1));
}

class Salvager {
 public:
  Salvager(const format::ConfigFile& file, std::string_view text) : file_(file), text_(text) {}

  ConfigSalvage run() {
    ConfigSalvage found;
    found.is_cut = is_cut();
    while (at_ < text_.size()) {
      if (text_[at_] != '"' || (at_ > 0 && text_[at_ - 1] == '\\') || !take_member()) ++at_;
    }
    found.file = format::new_config(file_);
    Object table = Object::from_members(std::move(entries_));
    found.entries = table.size();
    set(found.file, config_table(file_.kind), Value(std::move(table)));
    if (file_.kind == ConfigFileKind::lmq_consumer_offsets) {
      Object lmq = Object::from_members(std::move(lmq_));
      found.entries += lmq.size();
      set(found.file, kLmqTable, Value(std::move(lmq)));
    }
    if (forbidden_) set(found.file, "forbiddenTable", std::move(*forbidden_));
    if (version_) set(found.file, "dataVersion", std::move(*version_));
    return found;
  }

 private:
  // Members of a file lie sorted by name.
  static void set(Value& file, std::string_view name, Value value) {
    std::vector<Member> members = file.if_object()->members();
    std::erase_if(members, [&](const Member& member) { return member.name == name; });
    members.push_back({std::string(name), KeyForm::text, std::move(value)});
    std::ranges::sort(members, {}, &Member::name);
    file = Value(Object::from_members(std::move(members)));
  }

  [[nodiscard]] bool is_cut() const {
    std::string_view text = text_;
    while (!text.empty() && text.back() == '\0') text.remove_suffix(1);
    const auto parsed = json::parse(text);
    if (parsed) return false;
    std::size_t line_start = 0;
    for (std::size_t line = 1; line < parsed.error().line; ++line) {
      const std::size_t end = text.find('\n', line_start);
      if (end == text.npos) break;
      line_start = end + 1;
    }
    return line_start + parsed.error().column + kLastToken > text.size();
  }

  [[nodiscard]] std::size_t skip_space(std::size_t at) const {
    while (at < text_.size() && is_space(text_[at])) ++at;
    return at;
  }

  // Behind the quote that ends the string at `at`.
  [[nodiscard]] std::size_t string_end(std::size_t at, std::size_t limit) const {
    const std::size_t last = std::min(text_.size(), at + 1 + limit);
    for (std::size_t i = at + 1; i < last; ++i) {
      if (static_cast<unsigned char>(text_[i]) < 0x20) return text_.npos;
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '"') {
        return i + 1;
      }
    }
    return text_.npos;
  }

  // Behind the bracket that ends the object at `at`.
  [[nodiscard]] std::size_t object_end(std::size_t at) const {
    int depth = 0;
    for (std::size_t i = at; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == '"') {
        i = string_end(i, text_.size());
        if (i == text_.npos) return i;
        --i;
      } else if (c == '{' || c == '[') {
        if (++depth > kDeepest) return text_.npos;
      } else if (c == '}' || c == ']') {
        if (--depth == 0) return i + 1;
      } else if (c == '\0') {
        return text_.npos;
      }
    }
    return text_.npos;
  }

  [[nodiscard]] std::optional<Value> object_at(std::size_t at, std::size_t end) const {
    if (end == text_.npos) return std::nullopt;
    auto value = json::parse(text_.substr(at, end - at));
    if (!value || value->if_object() == nullptr) return std::nullopt;
    return std::move(*value);
  }

  // A member whose name begins here and that belongs to the file; goes behind it.
  bool take_member() {
    const std::size_t end = string_end(at_, kLongestName);
    if (end == text_.npos) return false;
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 2);
    std::size_t at = skip_space(end);
    if (at >= text_.size() || text_[at] != ':') return false;
    at = skip_space(at + 1);
    if (at >= text_.size()) return false;
    if (text_[at] != '{') return take_lmq_offset(name, at);
    if (name == "dataVersion") return take_version(at);
    switch (file_.kind) {
      case ConfigFileKind::topics: return take_bean(name, "topicName", at);
      case ConfigFileKind::subscription_groups:
        return name == "forbiddenTable" ? take_forbidden(at) : take_bean(name, "groupName", at);
      case ConfigFileKind::consumer_offsets:
      case ConfigFileKind::lmq_consumer_offsets: return is_offset_key(name) && take_offsets(name, at);
      case ConfigFileKind::delay_offsets: return name == config_table(file_.kind) && take_offsets({}, at);
      default: return false;
    }
  }

  bool take_version(std::size_t at) {
    const std::size_t end = object_end(at);
    auto value = object_at(at, end);
    if (!value) return false;
    Value wrapped = format::new_config(file_);
    set(wrapped, "dataVersion", *value);
    if (!format::read_data_version(wrapped)) return false;
    version_ = std::move(*value);
    at_ = end;
    return true;
  }

  bool take_forbidden(std::size_t at) {
    const std::size_t end = object_end(at);
    auto value = object_at(at, end);
    if (!value) return false;
    for (const Member& group : value->if_object()->members()) {
      if (group.value.if_object() == nullptr) return false;
      for (const Member& topic : group.value.if_object()->members())
        if (!topic.value.as_int64()) return false;
    }
    forbidden_ = std::move(*value);
    at_ = end;
    return true;
  }

  bool take_bean(std::string_view name, std::string_view own_name, std::size_t at) {
    if (!is_name(name)) return false;
    const std::size_t end = object_end(at);
    auto bean = object_at(at, end);
    if (!bean) return false;
    const Value* own = bean->find(own_name);
    if (own == nullptr || own->if_string() == nullptr || *own->if_string() != name) return false;
    Value wrapped = format::new_config(file_);
    wrapped.if_object()->find(config_table(file_.kind))->if_object()->set(name, *bean);
    const bool is_sound = file_.kind == ConfigFileKind::topics
                              ? format::read_topics(wrapped).has_value()
                              : format::read_subscription_groups(wrapped).has_value();
    if (!is_sound) return false;
    entries_.push_back({std::string(name), KeyForm::text, std::move(*bean)});
    at_ = end;
    return true;
  }

  // An integer, and behind it one of `ends`, which shows that no digit is missing.
  template <class Number>
  [[nodiscard]] std::optional<Number> number_at(std::size_t& at, std::string_view ends) const {
    const bool quoted = at < text_.size() && text_[at] == '"';
    if (quoted) ++at;
    Number number = 0;
    const char* const end = text_.data() + text_.size();
    const auto [behind, problem] = std::from_chars(text_.data() + at, end, number);
    if (problem != std::errc{}) return std::nullopt;
    at = static_cast<std::size_t>(behind - text_.data());
    if (quoted && (at >= text_.size() || text_[at++] != '"')) return std::nullopt;
    at = skip_space(at);
    if (at >= text_.size() || ends.find(text_[at]) == ends.npos) return std::nullopt;
    return number;
  }

  // {0:30,1:30}: as many pairs as are whole. An empty name: the pairs are the file's entries.
  bool take_offsets(std::string_view name, std::size_t at) {
    std::vector<Member> pairs;
    ++at;
    while (true) {
      at = skip_space(at);
      if (at < text_.size() && text_[at] == ',') {
        ++at;
        continue;
      }
      if (at >= text_.size() || text_[at] == '}') break;
      const auto key = number_at<std::int32_t>(at, ":");
      if (!key) break;
      at = skip_space(at + 1);
      const auto number = number_at<std::int64_t>(at, ",}");
      if (!number) break;
      pairs.push_back({std::to_string(*key), KeyForm::integer, Value(*number)});
    }
    if (name.empty()) {
      std::ranges::move(pairs, std::back_inserter(entries_));
    } else if (!pairs.empty()) {
      entries_.push_back({std::string(name), KeyForm::text, Value(Object::from_members(std::move(pairs)))});
    }
    at_ = at;
    return true;
  }

  bool take_lmq_offset(std::string_view name, std::size_t at) {
    if (file_.kind != ConfigFileKind::lmq_consumer_offsets || !is_offset_key(name) || !is_digit(text_[at]))
      return false;
    const auto number = number_at<std::int64_t>(at, ",}");
    if (!number) return false;
    lmq_.push_back({std::string(name), KeyForm::text, Value(*number)});
    at_ = at;
    return true;
  }

  const format::ConfigFile& file_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Member> entries_;
  std::vector<Member> lmq_;
  std::optional<Value> version_;
  std::optional<Value> forbidden_;
};

// Members of both; those of `newer` come last and change the value where `overwrite` says so.
Object merged(const Object& base, const Object& newer, bool overwrite, bool nested) {
  std::vector<Member> members = base.members();
  for (const Member& member : newer.members()) {
    const Value* const old = base.find(member.name);
    if (old == nullptr) {
      members.push_back(member);
    } else if (nested && old->if_object() != nullptr && member.value.if_object() != nullptr) {
      members.push_back({member.name, member.form,
                         Value(merged(*old->if_object(), *member.value.if_object(), overwrite, false))});
    } else if (overwrite) {
      members.push_back(member);
    }
  }
  return Object::from_members(std::move(members));
}

bool merge_table(Value& base, const Value& newer, std::string_view table, bool overwrite, bool nested) {
  const Value* const from = newer.find(table);
  if (from == nullptr || from->if_object() == nullptr || from->if_object()->empty()) return false;
  Value* const to = base.if_object()->find(table);
  const Object none;
  const Object& old = to != nullptr && to->if_object() != nullptr ? *to->if_object() : none;
  Object all = merged(old, *from->if_object(), overwrite, nested);
  if (all == old) return false;
  base.if_object()->set(table, Value(std::move(all)));
  return true;
}

}  // namespace

std::string_view config_table(format::ConfigFileKind kind) {
  switch (kind) {
    case ConfigFileKind::topics: return "topicConfigTable";
    case ConfigFileKind::subscription_groups: return "subscriptionGroupTable";
    case ConfigFileKind::consumer_offsets:
    case ConfigFileKind::lmq_consumer_offsets:
    case ConfigFileKind::delay_offsets: return "offsetTable";
    default: return {};
  }
}

ConfigSalvage salvage_config(const format::ConfigFile& file, std::string_view text) {
  if (config_table(file.kind).empty()) return {};
  return Salvager(file, text).run();
}

bool merge_config(const format::ConfigFile& file, json::Value& base, const json::Value& newer,
                  bool overwrite) {
  if (base.if_object() == nullptr) base = format::new_config(file);
  const bool is_offsets =
      file.kind == ConfigFileKind::consumer_offsets || file.kind == ConfigFileKind::lmq_consumer_offsets;
  bool changed = merge_table(base, newer, config_table(file.kind), overwrite, is_offsets);
  if (file.kind == ConfigFileKind::lmq_consumer_offsets)
    changed = merge_table(base, newer, kLmqTable, overwrite, false) || changed;
  if (file.kind == ConfigFileKind::subscription_groups)
    changed = merge_table(base, newer, "forbiddenTable", overwrite, true) || changed;
  const Value* const version = newer.find("dataVersion");
  if (version != nullptr && (base.find("dataVersion") == nullptr || (changed && overwrite))) {
    const auto read = format::read_data_version(newer);
    if (read) format::set_data_version(base, *read);
  }
  return changed;
}

}  // namespace rmq::repair
