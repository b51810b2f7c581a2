#include "servers/broker/client_processor.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/json/json_writer.h"
#include "servers/broker/broker.h"
#include "servers/broker/json_fields.h"
#include "servers/broker/request_fields.h"

namespace rmq::broker {
namespace {

constexpr std::int32_t kTopicSysFlagUnitSub = 2;  // TopicSysFlag.FLAG_UNIT_SUB

// What LOCK_BATCH_MQ and UNLOCK_BATCH_MQ carry. RocketMQ: LockBatchRequestBody.
struct LockRequest {
  std::string group;
  std::string client_id;
  std::vector<MessageQueue> queues;
};

std::optional<LockRequest> read_lock_request(std::span<const std::byte> body) {
  const auto parsed = parse_body(body);
  if (!parsed || parsed->if_object() == nullptr) return std::nullopt;
  LockRequest read{
      text_field(*parsed, "consumerGroup").value_or(""), text_field(*parsed, "clientId").value_or(""), {}};
  for_each_item(*parsed, "mqSet", [&](const json::Value& item) {
    if (auto queue = read_message_queue(item)) read.queues.push_back(*std::move(queue));
  });
  if (read.group.empty() || read.client_id.empty()) return std::nullopt;
  return read;
}

wire::Response no_json(std::string_view what) {
  return answer(ResponseCode::system_error, "the body is no " + std::string(what));
}

}  // namespace

bool ClientProcessor::join(const Client& client, const ConsumerData& data,
                           ConsumerTable::SubscriptionUpdate update) {
  const SubscriptionGroupPtr group = broker_.groups().find_or_create(data.group);
  if (!group) return false;
  const bool order = std::ranges::any_of(data.subscriptions, [&](const SubscriptionData& subscription) {
    const TopicConfigPtr topic = broker_.topics().find(subscription.topic);
    return topic && topic->order;
  });
  (void)broker_.topics().create_in_send_back(std::string(kRetryPrefix) + data.group, group->retry_queues,
                                             kPermRead | kPermWrite, order,
                                             data.unit_mode ? kTopicSysFlagUnitSub : 0);
  clients_.consumers().put(client, data, group->notify_consumer_ids_changed, update);
  return true;
}

bool ClientProcessor::note_fingerprint(const HeartbeatData& heartbeat, const std::string& group) {
  const std::lock_guard lock(mutex_);
  const auto found = fingerprints_.find(group);
  if (found != fingerprints_.end())
    return std::exchange(found->second, heartbeat.fingerprint) != heartbeat.fingerprint;
  if (fingerprints_.size() < kMaxFingerprints) fingerprints_.emplace(group, heartbeat.fingerprint);
  return false;
}

wire::Response ClientProcessor::heart_beat(const wire::Request& request, const wire::Responder& responder) {
  const auto heartbeat = read_heartbeat(request.body, broker_.clock().now_ms());
  if (!heartbeat) return answer(ResponseCode::system_error, heartbeat.error().message());
  const Client client{responder.connection(), heartbeat->client_id, request.language, request.version, 0};
  const bool second_version = heartbeat->fingerprint != 0;
  const bool without = second_version && heartbeat->without_subscriptions;
  bool say_again = !second_version;
  for (const ConsumerData& data : heartbeat->consumers) {
    if (broker_.config().flag<"rejectPullConsumerEnable">() && data.consume_type == ConsumeType::actively)
      continue;
    if (note_fingerprint(*heartbeat, data.group) && second_version) say_again = true;
    using Update = ConsumerTable::SubscriptionUpdate;
    if (!join(client, data, without ? Update::keep : Update::replace)) continue;
    // A broker that was started since the client said its subscriptions does not know them. Stock does not
    // ask for them, and such a group gets no message until the client says them of its own.
    if (without && !clients_.consumers().has_subscriptions(data.group)) say_again = true;
  }
  for (const std::string& group : heartbeat->producer_groups) clients_.producers().put(group, client);
  wire::Response response = answer_success();
  response.fields = {{"IS_SUPPORT_HEART_BEAT_V2", "true"}, {"IS_SUB_CHANGE", say_again ? "true" : "false"}};
  return response;
}

wire::Response ClientProcessor::unregister(const wire::Request& request, const wire::Responder& responder) {
  RequestFields fields(request);
  (void)fields.text("clientID");
  if (fields.failed()) return fields.failure();
  const wire::Connection* connection = responder.connection().get();
  if (const auto group = request.field("producerGroup")) clients_.producers().remove(*group, connection);
  if (const auto group = request.field("consumerGroup")) {
    const SubscriptionGroupPtr config = broker_.groups().find(*group);
    clients_.consumers().remove(*group, connection, !config || config->notify_consumer_ids_changed);
  }
  return answer_success();
}

wire::Response ClientProcessor::check_config(const wire::Request& request, const wire::Responder&) {
  const auto parsed = parse_body(request.body);
  if (!parsed) return answer(ResponseCode::system_error, parsed.error().message());
  const json::Value* subscription = parsed->find("subscriptionData");
  if (subscription == nullptr || subscription->if_object() == nullptr) return answer_success();
  const std::string type = text_field(*subscription, "expressionType").value_or("");
  if (is_tag_type(type)) return answer_success();
  return answer(ResponseCode::system_error,
                "The broker does not support consumer to filter message by " + type);
}

wire::Response ClientProcessor::list_consumers(const wire::Request& request, const wire::Responder&) {
  RequestFields fields(request);
  const std::string_view group = fields.text("consumerGroup");
  if (fields.failed()) return fields.failure();
  const std::vector<std::string> ids = clients_.consumers().client_ids(group);
  if (ids.empty())
    return answer(ResponseCode::system_error, "no consumer for this group, " + std::string(group));
  json::Array list;
  for (const std::string& id : ids) list.items.emplace_back(id);
  json::Object body;
  body.set("consumerIdList", std::move(list));
  wire::Response response = answer_success();
  response.body = json::write_fastjson(body, {.pretty = false});
  return response;
}

wire::Response ClientProcessor::lock_queues(const wire::Request& request, const wire::Responder&) {
  const auto read = read_lock_request(request.body);
  if (!read) return no_json("LockBatchRequestBody");
  json::Array locked;
  for (const MessageQueue& queue : clients_.locks().lock(read->group, read->client_id, read->queues))
    locked.items.emplace_back(to_json(queue));
  json::Object body;
  body.set("lockOKMQSet", std::move(locked));
  wire::Response response = answer_success();
  response.body = json::write_fastjson(body, {.pretty = false});
  return response;
}

wire::Response ClientProcessor::unlock_queues(const wire::Request& request, const wire::Responder&) {
  const auto read = read_lock_request(request.body);
  if (!read) return no_json("UnlockBatchRequestBody");
  clients_.locks().unlock(read->group, read->client_id, read->queues);
  return answer_success();
}

}  // namespace rmq::broker
