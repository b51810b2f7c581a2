#include "servers/broker/subscription_data.h"

#include <algorithm>
#include <utility>

#include "libstore/bytes/java_string.h"
#include "servers/broker/json_fields.h"

namespace rmq::broker {
namespace {

// String.trim()
std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

template <class T>
void sort_each_once(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

// False where nothing but separators stands there.
bool split_tags(std::string_view text, SubscriptionData& into) {
  bool any = false;
  while (true) {
    const std::size_t bar = text.find("||");
    const std::string_view part = text.substr(0, bar);
    any = any || !part.empty();
    if (const std::string_view tag = trim(part); !tag.empty()) {
      into.tags.emplace_back(tag);
      into.codes.push_back(java_hash(tag));
    }
    if (bar == std::string_view::npos) break;
    text.remove_prefix(bar + 2);
  }
  sort_each_once(into.tags);
  sort_each_once(into.codes);
  return any;
}

}  // namespace

bool is_tag_type(std::string_view expression_type) {
  return expression_type.empty() || expression_type == kTagExpression;
}

bool SubscriptionData::wants(std::int64_t tags_code) const {
  if (class_filter_mode || sub_string == kSubscribeAll) return true;
  return std::binary_search(codes.begin(), codes.end(), static_cast<std::int32_t>(tags_code));
}

Result<SubscriptionData> make_subscription(std::string_view topic, std::string_view sub_string,
                                           std::string_view expression_type, std::int64_t version) {
  SubscriptionData made;
  made.topic = topic;
  made.version = version;
  if (!is_tag_type(expression_type)) {
    if (sub_string.empty()) return wrong_use("Expression can't be null! " + std::string(expression_type));
    made.sub_string = sub_string;
    made.expression_type = expression_type;
    return made;
  }
  if (sub_string.empty() || sub_string == kSubscribeAll) return made;
  made.sub_string = sub_string;
  if (!split_tags(sub_string, made)) return wrong_use("subString split error");
  return made;
}

std::optional<SubscriptionData> read_subscription(const json::Value& value, std::int64_t now_ms) {
  SubscriptionData read;
  read.topic = text_field(value, "topic").value_or("");
  if (read.topic.empty()) return std::nullopt;
  read.sub_string = text_field(value, "subString").value_or("");
  read.expression_type = text_field(value, "expressionType").value_or(std::string(kTagExpression));
  read.version = now_ms;
  if (const json::Value* member = value.find("subVersion"))
    read.version = member->as_int64().value_or(now_ms);
  read.class_filter_mode = true_field(value, "classFilterMode");
  for_each_item(value, "tagsSet", [&](const json::Value& item) {
    if (const std::string* tag = item.if_string()) read.tags.push_back(*tag);
  });
  for_each_item(value, "codeSet", [&](const json::Value& item) {
    if (const auto code = item.as_int64(); code && *code >= INT32_MIN && *code <= INT32_MAX)
      read.codes.push_back(static_cast<std::int32_t>(*code));
  });
  sort_each_once(read.tags);
  sort_each_once(read.codes);
  return read;
}

json::Value to_json(const SubscriptionData& subscription) {
  json::Array codes;
  for (const std::int32_t code : subscription.codes) codes.items.emplace_back(code);
  json::Array tags;
  for (const std::string& tag : subscription.tags) tags.items.emplace_back(tag);
  json::Object object;
  object.set("classFilterMode", subscription.class_filter_mode);
  object.set("codeSet", std::move(codes));
  object.set("expressionType", subscription.expression_type);
  object.set("subString", subscription.sub_string);
  object.set("subVersion", subscription.version);
  object.set("tagsSet", std::move(tags));
  object.set("topic", subscription.topic);
  return object;
}

}  // namespace rmq::broker
