#include "servers/wire/register_broker_body.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "libstore/bytes/big_endian.h"
#include "libstore/bytes/byte_reader.h"
#include "libstore/json/json_writer.h"
#include "servers/wire/zlib_stream.h"

namespace rmq::wire {
namespace {

constexpr json::FastjsonStyle kCompact{.pretty = false};

std::string text_of(const json::Value& value, std::string_view name, std::string_view otherwise = {}) {
  const json::Value* member = value.find(name);
  const std::string* text = member == nullptr ? nullptr : member->if_string();
  return text == nullptr ? std::string(otherwise) : *text;
}
std::int32_t int_of(const json::Value& value, std::string_view name, std::int32_t otherwise) {
  const json::Value* member = value.find(name);
  const auto number = member == nullptr ? std::nullopt : member->as_int64();
  return number ? static_cast<std::int32_t>(*number) : otherwise;
}
std::int64_t long_of(const json::Value& value, std::string_view name) {
  const json::Value* member = value.find(name);
  return member == nullptr ? 0 : member->as_int64().value_or(0);
}

Result<json::Value> parse(std::string_view text, const RegisterBrokerLimits& limits) {
  auto value = json::parse(text, {.bytes = limits.bytes, .values = limits.values, .depth = 64});
  if (!value) return wrong_use(value.error().message());
  return std::move(*value);
}

std::vector<std::pair<std::string, std::string>> read_attributes(const json::Value* value) {
  std::vector<std::pair<std::string, std::string>> attributes;
  const json::Object* object = value == nullptr ? nullptr : value->if_object();
  if (object == nullptr) return attributes;
  for (const json::Member& member : object->members())
    if (const std::string* text = member.value.if_string()) attributes.emplace_back(member.name, *text);
  return attributes;
}

RegisteredTopic read_topic(std::string_view key, const json::Value& value) {
  const RegisteredTopic defaults;
  return {.name = text_of(value, "topicName", key),
          .read_queues = int_of(value, "readQueueNums", defaults.read_queues),
          .write_queues = int_of(value, "writeQueueNums", defaults.write_queues),
          .perm = int_of(value, "perm", defaults.perm),
          .filter_type = text_of(value, "topicFilterType", defaults.filter_type),
          .sys_flag = int_of(value, "topicSysFlag", 0),
          .order = value.find("order") != nullptr && value.find("order")->as_bool().value_or(false),
          .attributes = read_attributes(value.find("attributes"))};
}

RegisteredMapping read_mapping(std::string_view key, json::Value value) {
  std::string topic = text_of(value, "topic", key);
  std::string broker = text_of(value, "bname");
  return {.topic = std::move(topic), .broker_name = std::move(broker), .content = std::move(value)};
}

// TopicConfigSerializeWrapper, and what 5.x added to it.
Result<RegisterBrokerBody> read_wrapper(const json::Value& wrapper) {
  RegisterBrokerBody body;
  if (const json::Value* version = wrapper.find("dataVersion"))
    body.data_version = read_data_version(*version);
  if (const json::Value* table = wrapper.find("topicConfigTable"); table != nullptr && !table->is_null()) {
    const json::Object* topics = table->if_object();
    if (topics == nullptr) return wrong_use("topicConfigTable is no object");
    body.topics.reserve(topics->size());
    for (const json::Member& member : topics->members()) {
      if (member.value.if_object() == nullptr) return wrong_use("topic " + member.name + " is no object");
      body.topics.push_back(read_topic(member.name, member.value));
    }
  }
  const json::Value* mappings = wrapper.find("topicQueueMappingInfoMap");
  if (const json::Object* table = mappings == nullptr ? nullptr : mappings->if_object())
    for (const json::Member& member : table->members())
      if (member.value.if_object() != nullptr)
        body.mappings.push_back(read_mapping(member.name, member.value));
  return body;
}

std::vector<std::string> read_texts(const json::Value* list) {
  std::vector<std::string> texts;
  const json::Array* array = list == nullptr ? nullptr : list->if_array();
  if (array == nullptr) return texts;
  for (const json::Value& item : array->items)
    if (const std::string* text = item.if_string()) texts.push_back(*text);
  return texts;
}

Result<RegisterBrokerBody> decode_json(std::string_view text, std::int32_t version,
                                       const RegisterBrokerLimits& limits) {
  RMQ_TRY(value, parse(text, limits));
  if (value.if_object() == nullptr) return wrong_use("no JSON object");
  if (version < kVersion3_0_11) return read_wrapper(value);
  const json::Value* wrapper = value.find("topicConfigSerializeWrapper");
  RMQ_TRY(body, read_wrapper(wrapper == nullptr ? json::Value() : *wrapper));
  body.filter_servers = read_texts(value.find("filterServerList"));
  return std::move(body);
}

// Integer.parseInt.
std::optional<std::int32_t> java_int(std::string_view text) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "name read write perm filterType {attributes}". RocketMQ: TopicConfig.decode.
Result<RegisteredTopic> parse_topic_line(std::string_view line, const RegisterBrokerLimits& limits) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at <= line.size() && words.size() < 6;) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  if (words.size() < 5) return wrong_use("a topic has fewer than five words");
  const auto read = java_int(words[1]);
  const auto write = java_int(words[2]);
  const auto perm = java_int(words[3]);
  if (!read || !write || !perm || (words[4] != "SINGLE_TAG" && words[4] != "MULTI_TAG"))
    return wrong_use("topic " + std::string(words[0].substr(0, 200)) + " has a bad word");
  RegisteredTopic topic{.name = std::string(words[0]),
                        .read_queues = *read,
                        .write_queues = *write,
                        .perm = *perm,
                        .filter_type = std::string(words[4]),
                        .attributes = {}};
  if (words.size() == 6)
    if (const auto attributes = parse(words[5], limits)) topic.attributes = read_attributes(&*attributes);
  return topic;
}

// The pieces of the unpacked stream: an i32 length and that many bytes.
class Pieces {
 public:
  explicit Pieces(std::string_view plain) : reader_(std::as_bytes(std::span(plain))) {}
  Result<std::int32_t> count() {
    const std::int32_t value = reader_.i32();
    if (!reader_.ok() || value < 0) return wrong_use("the unpacked stream ends early");
    return value;
  }
  Result<std::string_view> piece() {
    const std::int32_t length = reader_.i32();
    const std::string_view text = reader_.text(length);
    if (!reader_.ok()) return wrong_use("the unpacked stream ends early");
    return text;
  }

 private:
  ByteReader reader_;
};

Result<std::vector<RegisteredMapping>> read_mappings(Pieces& pieces, const RegisterBrokerLimits& limits) {
  RMQ_TRY(count, pieces.count());
  std::vector<RegisteredMapping> mappings;
  for (std::int32_t i = 0; i < count; ++i) {
    RMQ_TRY(piece, pieces.piece());
    RMQ_TRY(value, parse(piece, limits));
    if (value.if_object() == nullptr) return wrong_use("a mapping is no object");
    mappings.push_back(read_mapping({}, std::move(value)));
  }
  return mappings;
}

Result<RegisterBrokerBody> decode_compressed(std::span<const std::byte> packed, std::int32_t version,
                                             const RegisterBrokerLimits& limits) {
  RMQ_TRY(plain, inflate(packed, limits.bytes));
  Pieces pieces(plain);
  RegisterBrokerBody body;
  RMQ_TRY(version_text, pieces.piece());
  RMQ_TRY(version_value, parse(version_text, limits));
  body.data_version = read_data_version(version_value);
  RMQ_TRY(topics, pieces.count());
  for (std::int32_t i = 0; i < topics; ++i) {
    RMQ_TRY(line, pieces.piece());
    RMQ_TRY(topic, parse_topic_line(line, limits));
    body.topics.push_back(std::move(topic));
  }
  RMQ_TRY(filter_text, pieces.piece());
  if (const auto filters = parse(filter_text, limits)) body.filter_servers = read_texts(&*filters);
  if (version >= kVersion5_0_0) {
    RMQ_TRY(mappings, read_mappings(pieces, limits));
    body.mappings = std::move(mappings);
  }
  return body;
}

json::Value texts_json(const std::vector<std::string>& texts) {
  json::Array array;
  for (const std::string& text : texts) array.items.emplace_back(text);
  return array;
}

json::Value attributes_json(const RegisteredTopic& topic) {
  std::vector<json::Member> members;
  for (const auto& [key, value] : topic.attributes) members.push_back({key, json::KeyForm::text, value});
  return json::Object::from_members(std::move(members));
}

json::Value topic_json(const RegisteredTopic& topic) {
  json::Object object;
  object.set("attributes", attributes_json(topic));
  object.set("order", topic.order);
  object.set("perm", topic.perm);
  object.set("readQueueNums", topic.read_queues);
  object.set("topicFilterType", topic.filter_type);
  object.set("topicName", topic.name);
  object.set("topicSysFlag", topic.sys_flag);
  object.set("writeQueueNums", topic.write_queues);
  return object;
}

std::string encode_json(const RegisterBrokerBody& body) {
  std::vector<json::Member> topics;
  for (const RegisteredTopic& topic : body.topics)
    topics.push_back({topic.name, json::KeyForm::text, topic_json(topic)});
  std::vector<json::Member> mappings;
  for (const RegisteredMapping& mapping : body.mappings)
    mappings.push_back({mapping.topic, json::KeyForm::text, mapping.content});
  json::Object wrapper;
  wrapper.set("dataVersion", to_json(body.data_version));
  wrapper.set("mappingDataVersion", to_json(body.mapping_version));
  wrapper.set("topicConfigTable", json::Object::from_members(std::move(topics)));
  wrapper.set("topicQueueMappingDetailMap", json::Object());
  wrapper.set("topicQueueMappingInfoMap", json::Object::from_members(std::move(mappings)));
  json::Object object;
  object.set("filterServerList", texts_json(body.filter_servers));
  object.set("topicConfigSerializeWrapper", std::move(wrapper));
  return json::write_fastjson(object, kCompact);
}

void append_count(std::string& out, std::size_t count) {
  char bytes[4];
  const auto number = static_cast<std::uint32_t>(count);
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<char>(number >> (24 - 8 * i));
  out.append(bytes, 4);
}
void append_piece(std::string& out, std::string_view text) {
  append_count(out, text.size());
  out += text;
}

std::string topic_line(const RegisteredTopic& topic) {
  return topic.name + ' ' + std::to_string(topic.read_queues) + ' ' + std::to_string(topic.write_queues) +
         ' ' + std::to_string(topic.perm) + ' ' + topic.filter_type + ' ' +
         json::write_fastjson(attributes_json(topic), kCompact);
}

std::string encode_compressed(const RegisterBrokerBody& body) {
  std::string plain;
  append_piece(plain, json::write_fastjson(to_json(body.data_version), kCompact));
  append_count(plain, body.topics.size());
  for (const RegisteredTopic& topic : body.topics) append_piece(plain, topic_line(topic));
  append_piece(plain, json::write_fastjson(texts_json(body.filter_servers), kCompact));
  append_count(plain, body.mappings.size());
  for (const RegisteredMapping& mapping : body.mappings)
    append_piece(plain, json::write_fastjson(mapping.content, kCompact));
  return deflate_best(plain);
}

}  // namespace

json::Value to_json(const DataVersion& version) {
  json::Object object;
  object.set("counter", version.counter);
  object.set("stateVersion", version.state_version);
  object.set("timestamp", version.timestamp);
  return object;
}

DataVersion read_data_version(const json::Value& value) {
  return {.state_version = long_of(value, "stateVersion"),
          .timestamp = long_of(value, "timestamp"),
          .counter = long_of(value, "counter")};
}

Result<RegisterBrokerBody> decode_register_broker_body(std::span<const std::byte> bytes, bool compressed,
                                                       std::int32_t version,
                                                       const RegisterBrokerLimits& limits) {
  if (bytes.empty()) return RegisterBrokerBody{};
  if (compressed && version >= kVersion3_0_11) return decode_compressed(bytes, version, limits);
  return decode_json(as_text(bytes), version, limits);
}

std::string encode_register_broker_body(const RegisterBrokerBody& body, bool compressed) {
  return compressed ? encode_compressed(body) : encode_json(body);
}

}  // namespace rmq::wire
