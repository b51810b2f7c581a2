#include "servers/broker/consume_stats.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "servers/broker/admin_reply.h"
#include "servers/broker/broker.h"

namespace rmq::broker {
namespace {

// Double.toString, as far as rates go.
json::Value double_json(double number) {
  std::array<char, 32> text{};
  const auto [end, problem] = std::to_chars(text.data(), text.data() + text.size(), number);
  std::string shown(text.data(), end);
  if (shown.find_first_of(".en") == std::string::npos) shown += ".0";
  return json::Number{std::move(shown)};
}

// StringUtils.split(text, ";")
std::vector<std::string> split_at_semicolons(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(';'), list.size());
    if (end != 0) names.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return names;
}

wire::Response failure(const Error& error) { return answer(ResponseCode::system_error, error.message()); }

}  // namespace

Result<std::int64_t> ConsumeStats::time_of(std::string_view topic, std::int32_t id,
                                           std::int64_t offset) const {
  RMQ_TRY(time, broker_.store().store_time(topic, id, offset));
  return time.value_or(-1);
}

json::Value ConsumeStats::Behind::json() const {
  json::Object object;
  object.set("consumeTps", double_json(tps));
  object.set("offsetTable", to_json(offsets));
  return object;
}

Status ConsumeStats::add_queue(std::string_view group, const MessageQueue& queue, Behind& into) const {
  const std::int64_t end = broker_.store().max_offset(queue.topic, queue.queue_id).value_or(0);
  const std::int64_t consumed =
      std::max<std::int64_t>(broker_.offsets().query(group, queue.topic, queue.queue_id).value_or(0), 0);
  const std::int64_t pulled =
      std::max(consumed, broker_.offsets().query_pull(group, queue.topic, queue.queue_id).value_or(0));
  std::int64_t last_time = 0;
  if (consumed > 0) {
    RMQ_TRY(time, time_of(queue.topic, queue.queue_id, consumed - 1));
    last_time = std::max<std::int64_t>(time, 0);
  }
  into.difference += end - consumed;
  into.in_flight += pulled - consumed;
  json::Object offsets;
  offsets.set("brokerOffset", end);
  offsets.set("consumerOffset", consumed);
  offsets.set("lastTimestamp", last_time);
  offsets.set("pullOffset", pulled);
  into.offsets.emplace(queue, std::move(offsets));
  return {};
}

Status ConsumeStats::add_topic(std::string_view group, std::string_view topic, std::int32_t queues,
                               Behind& into) const {
  MessageQueue queue{std::string(topic), broker_.config().text<"brokerName">(), 0};
  for (; queue.queue_id < queues; ++queue.queue_id) RMQ_CHECK(add_queue(group, queue, into));
  const auto windows =
      broker_.stats().view(StatsName::group_get_nums, std::string(topic) + '@' + std::string(group));
  if (windows) into.tps += windows->minute.tps;
  return {};
}

bool ConsumeStats::consumes(std::string_view group, std::string_view topic) const {
  return !clients_.consumers().has_subscriptions(group) || clients_.consumers().subscription(group, topic);
}

wire::Response ConsumeStats::of_group(const wire::Request& request) const {
  RequestFields fields(request);
  const std::string_view group = fields.text("consumerGroup");
  const std::string_view only = fields.text("topic", "");
  std::vector<std::string> topics = split_at_semicolons(fields.text("topicList", ""));
  if (fields.failed()) return fields.failure();
  if (topics.empty()) {
    if (only.empty())
      topics = broker_.offsets().topics_of(group);
    else
      topics.emplace_back(only);
    std::erase_if(topics, [&](const std::string& topic) { return !consumes(group, topic); });
  }
  Behind behind;
  for (const std::string& topic : topics) {
    const TopicConfigPtr config = broker_.topics().find(topic);
    if (!config) continue;
    if (const Status added = add_topic(group, topic, config->read_queues, behind); !added)
      return failure(added.error());
  }
  return answer_json(behind.json());
}

wire::Response ConsumeStats::of_broker(const wire::Request& request) const {
  RequestFields fields(request);
  const bool only_ordered = fields.flag("isOrder");
  if (fields.failed()) return fields.failure();
  json::Array groups;
  std::int64_t difference = 0;
  std::int64_t in_flight = 0;
  for (const SubscriptionGroupPtr& group : broker_.groups().all()) {
    json::Array list;
    for (const std::string& topic : broker_.offsets().topics_of(group->name)) {
      const TopicConfigPtr config = broker_.topics().find(topic);
      if (!config || (only_ordered && !config->order) || !consumes(group->name, topic)) continue;
      Behind behind;
      if (const Status added = add_topic(group->name, topic, config->write_queues, behind); !added)
        return failure(added.error());
      difference += behind.difference;
      in_flight += behind.in_flight;
      list.items.push_back(behind.json());
    }
    json::Object one;
    one.set(group->name, std::move(list));
    groups.items.emplace_back(std::move(one));
  }
  json::Object body;
  body.set("brokerAddr", broker_.address());
  body.set("consumeStatsList", std::move(groups));
  body.set("totalDiff", difference);
  // 5.3.3 subtracts all consumer offsets from zeros here.
  body.set("totalInflightDiff", in_flight);
  return answer_json(body);
}

Result<json::Value> ConsumeStats::span_of(std::string_view group, std::string_view topic,
                                          std::int32_t id) const {
  const std::int64_t min = broker_.store().min_offset(topic, id).value_or(0);
  const std::int64_t max = broker_.store().max_offset(topic, id).value_or(0);
  const std::int64_t consumed = broker_.offsets().query(group, topic, id).value_or(-1);
  RMQ_TRY(min_time, time_of(topic, id, min));
  RMQ_TRY(max_time, time_of(topic, id, max - 1));
  std::int64_t consume_time = min_time;
  if (consumed > 0) {
    RMQ_TRY(time, time_of(topic, id, consumed - 1));
    consume_time = time;
  }
  std::int64_t delay = 0;
  if (consumed < max) {
    RMQ_TRY(next, time_of(topic, id, consumed));
    delay = broker_.clock().now_ms() - next;
  }
  json::Object span;
  span.set("consumeTimeStamp", consume_time);
  span.set("delayTime", delay);
  span.set("maxTimeStamp", max_time);
  span.set("messageQueue",
           to_json(MessageQueue{std::string(topic), broker_.config().text<"brokerName">(), id}));
  span.set("minTimeStamp", min_time);
  return json::Value(std::move(span));
}

wire::Response ConsumeStats::time_span(const wire::Request& request) const {
  RequestFields fields(request);
  const std::string topic(fields.text("topic"));
  const std::string_view group = fields.text("group");
  if (fields.failed()) return fields.failure();
  const TopicConfigPtr config = broker_.topics().find(topic);
  if (!config) return answer(ResponseCode::topic_not_exist, "topic[" + topic + "] not exist");
  json::Array spans;
  for (std::int32_t id = 0; id < config->write_queues; ++id) {
    auto span = span_of(group, topic, id);
    if (!span) return failure(span.error());
    spans.items.push_back(*std::move(span));
  }
  json::Object body;
  body.set("consumeTimeSpanSet", std::move(spans));
  return answer_json(body);
}

}  // namespace rmq::broker
