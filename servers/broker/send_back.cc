#include "servers/broker/send_back.h"

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "libstore/engine/put_properties.h"
#include "libstore/format/tags_code.h"
#include "servers/broker/broker.h"
#include "servers/broker/client.h"
#include "servers/broker/delayed_message.h"
#include "servers/broker/request_fields.h"

namespace rmq::broker {
namespace {

constexpr std::string_view kPropertyRetryTopic = "RETRY_TOPIC";
constexpr std::string_view kPropertyOriginMessageId = "ORIGIN_MESSAGE_ID";
constexpr std::string_view kPropertyWait = "WAIT";
constexpr std::int32_t kTopicSysFlagUnitSub = 2;  // TopicSysFlag.FLAG_UNIT_SUB
constexpr std::int32_t kFirstRetryLevel = 3;      // 10 s, where the client does not choose
constexpr std::int32_t kDeadLetterQueues = 1;

struct Asked {
  std::string group;
  std::int64_t log_offset = 0;
  std::int32_t delay_level = 0;
  std::int32_t max_reconsume_times = 0;
  bool unit_mode = false;
};

// The message with its new place, ready to be put; `record` is what it was read from, `destination` what the
// view borrows from.
struct Returned {
  std::vector<std::byte> record;
  Destination destination;
  std::string back_topic;  // what the consumer subscribes to: for statistics
  bool dead_letter = false;
  format::MessageView message;
};

std::string no_such_group(const std::string& group) {
  return "subscription group not exist, " + group +
         " \nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";
}

std::int32_t random_queue(std::int32_t queues) {
  thread_local std::minstd_rand random(std::random_device{}());
  return std::uniform_int_distribution<std::int32_t>(0, queues - 1)(random);
}

// The topic that takes it, or the answer where none does.
struct Target {
  TopicConfigPtr topic;
  std::optional<wire::Response> refusal;
};
Target retry_topic(Broker& broker, const Asked& asked, std::int32_t queues) {
  const std::string name = std::string(kRetryPrefix) + asked.group;
  TopicConfigPtr topic = broker.topics().create_in_send_back(name, queues, kPermRead | kPermWrite, false,
                                                             asked.unit_mode ? kTopicSysFlagUnitSub : 0);
  if (!topic) return {nullptr, answer(ResponseCode::system_error, "topic[" + name + "] not exist")};
  if ((topic->perm & kPermWrite) == 0)
    return {nullptr,
            answer(ResponseCode::no_permission, "the topic[" + name + "] sending message is forbidden")};
  return {std::move(topic), {}};
}

// As it is stored once more: one delivery more, and its origin said once.
void set_properties(Returned& returned, std::int32_t delay_level) {
  std::string& properties = returned.destination.properties;
  properties = returned.message.properties;
  engine::remove_property(properties, format::kPropertyCrc32);
  const auto origin = format::find_property(properties, kPropertyRetryTopic);
  returned.back_topic = origin.value_or(returned.message.topic);
  if (!origin) engine::set_property(properties, kPropertyRetryTopic, returned.message.topic);
  const auto origin_id = format::find_property(properties, kPropertyOriginMessageId);
  if (!origin_id || origin_id->find_first_not_of(' ') == std::string_view::npos)
    engine::set_property(properties, kPropertyOriginMessageId, format::offset_message_id(returned.message));
  engine::set_property(properties, kPropertyWait, "false");
  engine::set_property(properties, format::kPropertyDelay, std::to_string(delay_level));
}

void place(Broker& broker, Returned& returned) {
  format::MessageView& message = returned.message;
  message.topic = returned.destination.topic;
  message.queue_id = returned.destination.queue_id;
  message.properties = returned.destination.properties;
  message.reconsume_times += 1;
  message.prepared_transaction_offset = 0;
  message.store_host = broker.store_host();
  message.sys_flag &= ~format::kSysFlagStoreHostV6;
  if (message.store_host.address.size() == 16) message.sys_flag |= format::kSysFlagStoreHostV6;
}

wire::Response answer_put(Broker& broker, const Asked& asked, const Returned& returned,
                          const engine::PutResult& put) {
  if (!put.ok()) return answer(ResponseCode::system_error, std::string(engine::to_string(put.status)));
  const std::string key = returned.back_topic + '@' + asked.group;
  broker.stats().add(StatsName::sndbck_put_nums, key, 1);
  if (returned.dead_letter) broker.stats().add(StatsName::dlq_put_nums, key, 1);
  return answer_success();
}

}  // namespace

void send_back(Broker& broker, std::int32_t max_delay_level, const wire::Request& request,
               wire::Responder responder) {
  RequestFields fields(request);
  Asked asked{.group = std::string(fields.text("group")),
              .log_offset = fields.int64("offset"),
              .delay_level = fields.int32("delayLevel"),
              .unit_mode = fields.flag("unitMode", false)};
  const SubscriptionGroupPtr group = fields.failed() ? nullptr : broker.groups().find_or_create(asked.group);
  asked.max_reconsume_times = group ? group->retry_max_times : 0;
  if (request.version >= kVersionKnowsMaxReconsumeTimes)
    asked.max_reconsume_times = fields.int32("maxReconsumeTimes", asked.max_reconsume_times);
  if (fields.failed()) return responder.send(fields.failure());
  if (!group)
    return responder.send(answer(ResponseCode::subscription_group_not_exist, no_such_group(asked.group)));
  if ((broker.config().number<"brokerPermission">() & kPermWrite) == 0)
    return responder.send(
        answer(ResponseCode::no_permission,
               "the broker[" + broker.config().text<"brokerIP1">() + "] sending message is forbidden"));
  if (group->retry_queues <= 0) return responder.send(answer_success());  // the group wants no redelivery
  Target target = retry_topic(broker, asked, group->retry_queues);
  if (target.refusal) return responder.send(*std::move(target.refusal));

  auto returned = std::make_shared<Returned>();
  if (auto record = broker.store().look_up(asked.log_offset)) returned->record = *std::move(record);
  const auto message = format::MessageView::parse(returned->record);
  if (!message)
    return responder.send(answer(ResponseCode::system_error,
                                 "look message by offset failed, " + std::to_string(asked.log_offset)));
  returned->message = *message;
  returned->dead_letter = message->reconsume_times >= asked.max_reconsume_times || asked.delay_level < 0;
  std::int32_t level = 0;
  if (returned->dead_letter) {
    target.topic = broker.topics().create_in_send_back(std::string(kDlqPrefix) + asked.group,
                                                       kDeadLetterQueues, kPermRead | kPermWrite);
    if (!target.topic)
      return responder.send(answer(ResponseCode::system_error,
                                   "topic[" + std::string(kDlqPrefix) + asked.group + "] not exist"));
  } else {
    level = asked.delay_level != 0 ? asked.delay_level : kFirstRetryLevel + message->reconsume_times;
  }
  set_properties(*returned, level);
  returned->destination.topic = target.topic->name;
  returned->destination.queue_id =
      random_queue(returned->dead_letter ? kDeadLetterQueues : group->retry_queues);
  const std::int32_t transaction = format::transaction_type(message->sys_flag);
  if (level > 0 && (transaction == 0 || transaction == format::kSysFlagTransactionCommit))
    returned->destination = delayed(std::move(returned->destination), level, max_delay_level);
  place(broker, *returned);
  auto waiting = std::make_shared<wire::Responder>(std::move(responder));
  broker.store().put_async({&returned->message, 1},
                           [&broker, asked, returned, waiting](std::span<const engine::PutResult> results) {
                             waiting->send(answer_put(broker, asked, *returned, results[0]));
                           });
}

}  // namespace rmq::broker
