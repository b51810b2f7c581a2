#include "servers/broker/send_processor.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/sys_flag.h"
#include "servers/broker/batch_body.h"
#include "servers/broker/clients.h"
#include "servers/broker/delayed_message.h"
#include "servers/broker/java_number.h"
#include "servers/broker/put_answer.h"
#include "servers/broker/remarks.h"
#include "servers/broker/request_fields.h"

namespace rmq::broker {
namespace {

constexpr std::size_t kLongestTopic = 127;          // Byte.MAX_VALUE
constexpr std::int32_t kVersionMaxReconsume = 121;  // MQVersion.Version.V3_4_9
constexpr std::int32_t kDeadLetterQueues = 1;       // DLQ_NUMS_PER_GROUP
constexpr std::size_t kTopicsKept = 10'000;         // by a thread, between changes

// UtilAll.timeMillisToHumanString2.
std::string human_time(std::int64_t at_ms) {
  const auto seconds = static_cast<std::time_t>(at_ms / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02},{:03}", local.tm_year + 1900, local.tm_mon + 1,
                     local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec, at_ms % 1000);
}

bool has_attribute(const format::TopicConfig& topic, std::string_view name, std::string_view value) {
  return std::ranges::any_of(topic.attributes,
                             [&](const auto& one) { return one.first == name && one.second == value; });
}

}  // namespace

SendShared::SendShared(Broker& all) : broker(all), unique_ids(all.store_host(), all.clock()) {
  if (auto levels = format::DelayLevels::parse(all.config().text<"messageDelayLevel">()))
    delay_levels = std::move(*levels);
}

SendProcessor::SendProcessor(std::shared_ptr<SendShared> shared)
    : shared_(std::move(shared)),
      broker_(shared_->broker),
      sync_flush_(broker_.store().flush_disk_type() == engine::FlushDiskType::sync_flush),
      waiting_(std::make_shared<SendTurn>()),
      hasty_(std::make_shared<SendTurn>()),
      random_(std::random_device()()) {}

// Texts of the configuration may change, but not within a turn.
void SendProcessor::begin_turn() {
  if (in_turn_) return;
  in_turn_ = true;
  region_ = broker_.config().text<"regionId">();
  cluster_ = broker_.config().text<"brokerClusterName">();
  trace_on_ = broker_.config().flag<"traceOn">();
  connection_ = nullptr;
  if (topics_.size() > kTopicsKept) topics_.clear();
}

void SendProcessor::handle(const wire::Request& request, wire::Responder responder) {
  begin_turn();
  const auto header = parse_send_header(request);
  if (!header) return responder.send(answer(ResponseCode::system_error, header.error().context));
  TopicConfigPtr topic;
  Check refused = check(*header, responder, topic);
  if (!refused)
    refused = header->batch ? put_batch(*header, request, topic, responder)
                            : put_one(*header, request, topic, responder);
  if (!refused || responder.oneway()) return;
  wire::Response response = answer(refused->code, std::move(refused->remark));
  response.fields = send_answer_fields(region_, trace_on_);
  responder.send(std::move(response));
}

TopicConfigPtr SendProcessor::find_topic(std::string_view topic) {
  if (const std::uint64_t now = broker_.topics().generation(); now != topics_generation_) {
    topics_.clear();
    topics_generation_ = now;
  }
  if (const auto known = topics_.find(topic); known != topics_.end()) return known->second;
  TopicConfigPtr found = broker_.topics().find(topic);
  if (found) topics_.emplace(topic, found);
  return found;
}

// AbstractSendMessageProcessor.msgCheck, with what goes before it.
SendProcessor::Check SendProcessor::check(const SendHeader& header, const wire::Responder& responder,
                                          TopicConfigPtr& topic) {
  const std::int64_t accepts_from = broker_.config().number<"startAcceptSendRequestTimeStamp">();
  if (accepts_from > 0 && broker_.clock().now_ms() < accepts_from)
    return Refusal{ResponseCode::system_error, "broker unable to service, until " + human_time(accepts_from)};
  topic = find_topic(header.topic);
  if ((broker_.config().number<"brokerPermission">() & kPermWrite) == 0 && topic && topic->order)
    return Refusal{ResponseCode::no_permission,
                   "the broker[" + broker_.config().text<"brokerIP1">() + "] sending message is forbidden"};
  if (std::string problem = topic_name_problem(header.topic); !problem.empty())
    return Refusal{ResponseCode::invalid_parameter, std::move(problem)};
  if (is_not_sendable(header.topic))
    return Refusal{ResponseCode::no_permission,
                   "Sending message to topic[" + std::string(header.topic) + "] is forbidden."};
  if (!topic) topic = create_topic(header, responder);
  if (!topic)
    return Refusal{
        ResponseCode::topic_not_exist,
        "topic[" + std::string(header.topic) + "] not exist, apply first please!" + std::string(kSeeFaq)};
  if (header.queue_id >= std::max(topic->write_queues, topic->read_queues))
    return Refusal{ResponseCode::invalid_parameter,
                   fmt::format("request queueId[{}] is illegal, {} Producer: {}", header.queue_id,
                               to_text(*topic), responder.connection()->remote_address())};
  return std::nullopt;
}

TopicConfigPtr SendProcessor::create_topic(const SendHeader& header, const wire::Responder& responder) {
  constexpr std::int32_t kUnit = 1;            // TopicSysFlag.FLAG_UNIT
  constexpr std::int32_t kUnitSubscribed = 2;  // FLAG_UNIT_SUB
  const bool retry = header.topic.starts_with(kRetryPrefix);
  const std::int32_t sys_flag = !header.unit_mode ? 0 : retry ? kUnitSubscribed : kUnit;
  TopicConfigPtr made = broker_.topics().create_in_send(header.topic, header.default_topic,
                                                        responder.connection()->remote_address(),
                                                        header.default_topic_queues, sys_flag);
  if (!made && retry)
    made = broker_.topics().create_in_send_back(header.topic, 1, kPermRead | kPermWrite, false, sys_flag);
  if (made) waiting_->topics_made = hasty_->topics_made = true;
  return made;
}

std::int32_t SendProcessor::queue_of(const SendHeader& header, const format::TopicConfig& topic) {
  if (header.queue_id >= 0) return header.queue_id;
  return static_cast<std::int32_t>(random_() % static_cast<std::uint32_t>(std::max(topic.write_queues, 1)));
}

SendProcessor::Check SendProcessor::put_one(const SendHeader& header, const wire::Request& request,
                                            const TopicConfigPtr& topic, wire::Responder& responder) {
  // Stock has an exception for it, with this code.
  if (request.body.empty()) return Refusal{ResponseCode::system_error, "the message has no body"};
  Message message;
  message.config = topic;
  message.topic = header.topic;
  message.queue_id = queue_of(header, *topic);
  message.client = read_send_properties(header.properties);
  const std::int32_t told_queue = message.queue_id;
  if (Check refused = retry_or_dead_letter(header, request, message)) return refused;
  message.sys_flag = header.sys_flag;
  if (Check refused = check_kind(header, message)) return refused;
  if (Check refused = check_timer(message)) return refused;
  // The store takes more, because this key may change while it is open.
  if (std::ssize(request.body) > broker_.config().number<"maxMessageSize">())
    return Refusal{ResponseCode::message_illegal, remark_of(engine::PutStatus::message_illegal, broker_)};

  SendTurn& turn = turn_for(message.client);
  if (!message.client.uniq_key) message.broker.uniq_key = new_unique_id(turn);
  format::MessageView record = record_of(header, message, responder, turn);
  record.body = request.body;
  store_as(message, turn, record);
  turn.add_message(record);
  SendTurn::Send send(std::move(responder));
  send.queue_id = told_queue;
  send.transaction_id =
      message.client.uniq_key ? turn.texts().keep(*message.client.uniq_key) : message.broker.uniq_key;
  send.counter = turn.counter_of(record.topic, record.queue_id);
  turn.add_send(std::move(send));
  return std::nullopt;
}

bool SendProcessor::is_consumed_in_order(std::string_view group) const {
  ClientTables* clients = broker_.clients();
  return clients != nullptr && clients->locks().any(group);
}

// Of a consumer that puts a message back by itself. SendMessageProcessor.handleRetryAndDLQ.
SendProcessor::Check SendProcessor::retry_or_dead_letter(const SendHeader& header,
                                                         const wire::Request& request, Message& message) {
  if (!header.topic.starts_with(kRetryPrefix)) return std::nullopt;
  const std::string_view group = header.topic.substr(kRetryPrefix.size());
  const SubscriptionGroupPtr config = broker_.groups().find_or_create(group);
  if (!config)
    return Refusal{ResponseCode::subscription_group_not_exist,
                   "subscription group not exist, " + std::string(group) + " " + std::string(kSeeFaq)};
  std::int32_t most = config->retry_max_times;
  if (request.version >= kVersionMaxReconsume && header.max_reconsume_times)
    most = *header.max_reconsume_times;
  if (header.reconsume_times <= most && !is_consumed_in_order(group)) return std::nullopt;
  message.broker.dead_letter = true;
  const std::string dead_letters = std::string(kDlqPrefix) + std::string(group);
  message.config =
      broker_.topics().create_in_send_back(dead_letters, kDeadLetterQueues, kPermRead | kPermWrite);
  if (!message.config) return Refusal{ResponseCode::system_error, "topic[" + dead_letters + "] not exist"};
  message.topic = message.config->name;
  message.queue_id = 0;
  return std::nullopt;
}

// What is refused for what it is.
SendProcessor::Check SendProcessor::check_kind(const SendHeader& header, Message& message) {
  if (message.config->filter_type == "MULTI_TAG") message.sys_flag |= format::kSysFlagMultiTags;
  if (has_attribute(*message.config, "cleanup.policy", "COMPACTION") &&
      message.client.keys.value_or("").find_first_not_of(" \t\r\n") == std::string_view::npos)
    return Refusal{ResponseCode::message_illegal, "Required message key is missing"};
  std::int32_t level = 0;
  if (message.client.delay && !message.broker.dead_letter && !parse_java_number(*message.client.delay, level))
    return Refusal{ResponseCode::system_error, "DELAY is no number: " + std::string(*message.client.delay)};
  // A consumer of before 4.6.1 leaves TRAN_MSG in what it puts back.
  if (message.client.transaction_prepared && !(header.reconsume_times > 0 && level > 0))
    return Refusal{ResponseCode::no_permission, "the broker[" + broker_.config().text<"brokerIP1">() +
                                                    "] sending transaction message is forbidden"};
  const std::int32_t transaction = format::transaction_type(message.sys_flag);
  if (transaction == 0 || transaction == format::kSysFlagTransactionCommit) message.delay_level = level;
  return std::nullopt;
}

// HookUtils.handleScheduleMessage: a level goes before what TIMER_* say.
SendProcessor::Check SendProcessor::check_timer(const Message& message) const {
  const std::int32_t transaction = format::transaction_type(message.sys_flag);
  const bool may_wait = transaction == 0 || transaction == format::kSysFlagTransactionCommit;
  if (!may_wait || message.delay_level > 0 || !message.client.timed || message.client.timer_out ||
      message.topic == kTimerTopic)
    return std::nullopt;
  return Refusal{ResponseCode::system_error,
                 "accurate timer message is not enabled, timerWheelEnable is false"};
}

SendProcessor::Check SendProcessor::put_batch(const SendHeader& header, const wire::Request& request,
                                              const TopicConfigPtr& topic, wire::Responder& responder) {
  if (header.topic.size() > kLongestTopic)
    return Refusal{ResponseCode::message_illegal,
                   "message topic length too long " + std::to_string(header.topic.size())};
  if (header.topic.starts_with(kRetryPrefix))
    return Refusal{ResponseCode::message_illegal,
                   "batch request does not support retry group " + std::string(header.topic)};
  const auto illegal = [&] {
    return Refusal{ResponseCode::message_illegal, remark_of(engine::PutStatus::message_illegal, broker_)};
  };
  Message message;
  message.config = topic;
  message.topic = header.topic;
  message.queue_id = queue_of(header, *topic);
  message.sys_flag = header.sys_flag;
  if (topic->filter_type == "MULTI_TAG") message.sys_flag |= format::kSysFlagMultiTags;
  message.client = read_send_properties(header.properties);
  const auto elements = count_batch_elements(request.body);
  if (!elements) return Refusal{ResponseCode::system_error, "the batch's body is malformed"};
  if (*elements == 0) return illegal();
  const bool inner = has_attribute(*topic, "queue.type", "BatchCQ") && message.client.uniq_key;
  if (inner) {
    message.sys_flag |= format::kSysFlagNeedUnwrap | format::kSysFlagInnerBatch;
    message.broker.inner_num = *elements;
  }
  if (message.client.delay && !parse_java_number(*message.client.delay, message.delay_level))
    return Refusal{ResponseCode::system_error, "DELAY is no number: " + std::string(*message.client.delay)};
  if (Check refused = check_timer(message)) return refused;
  if (!inner) {
    if (message.delay_level > 0 || format::transaction_type(message.sys_flag) != 0) return illegal();
    if (std::ssize(request.body) > broker_.config().number<"maxMessageSize">())
      return Refusal{ResponseCode::system_error, "message body size exceeded"};
  } else if (std::ssize(request.body) > broker_.config().number<"maxMessageSize">()) {
    return illegal();
  }

  SendTurn& turn = turn_for(message.client);
  format::MessageView record = record_of(header, message, responder, turn);
  store_as(message, turn, record);
  const std::string_view common = record.properties;
  if (inner) {
    record.body = request.body;
    turn.add_message(record);
  } else {
    BatchReader reader(request.body);
    while (const auto element = reader.next()) {
      record.flag = element->flag;
      record.body = element->body;
      scratch_.assign(element->properties);
      if (!scratch_.empty() && scratch_.back() != format::kPropertySeparator)
        scratch_.push_back(format::kPropertySeparator);
      scratch_.append(common);
      record.properties = turn.texts().keep(scratch_);
      turn.add_message(record);
    }
  }
  SendTurn::Send send(std::move(responder));
  send.queue_id = message.queue_id;
  if (message.client.uniq_key) send.transaction_id = turn.texts().keep(*message.client.uniq_key);
  if (inner) send.batch_unique_id = send.transaction_id;
  send.counter = turn.counter_of(record.topic, record.queue_id);
  turn.add_send(std::move(send));
  return std::nullopt;
}

format::MessageView SendProcessor::record_of(const SendHeader& header, const Message& message,
                                             const wire::Responder& responder, SendTurn& turn) {
  const wire::Connection* from = responder.connection().get();
  if (from != connection_) {
    connection_ = from;
    if (const std::string_view remote = from->remote_address(); remote != remote_) {
      remote_ = remote;
      born_ = parse_host_address(remote);
    }
  }
  format::MessageView record;
  record.flag = header.flag;
  record.born_timestamp = header.born_timestamp;
  record.reconsume_times = header.reconsume_times;
  // The next message of the turn may come from elsewhere.
  record.born_host = {as_bytes(turn.texts().keep(as_text(born_.view().address))), born_.port};
  record.store_host = broker_.store_host();
  // Which addresses these are is not the client's to say.
  record.sys_flag = message.sys_flag & ~(format::kSysFlagBornHostV6 | format::kSysFlagStoreHostV6);
  if (born_.v6()) record.sys_flag |= format::kSysFlagBornHostV6;
  if (record.store_host.address.size() == 16) record.sys_flag |= format::kSysFlagStoreHostV6;
  return record;
}

// Where it is stored, and with which properties.
void SendProcessor::store_as(const Message& message, SendTurn& turn, format::MessageView& record) {
  BrokerProperties said = message.broker;
  said.region = region_;
  said.cluster = cluster_;
  said.trace_on = trace_on_;
  scratch_.clear();
  append_stored_properties(message.client, said, scratch_);
  if (message.delay_level > 0) {
    const Destination waits = delayed({std::string(message.topic), message.queue_id, scratch_},
                                      message.delay_level, shared_->delay_levels.max_level());
    record.topic = kScheduleTopic;
    record.queue_id = waits.queue_id;
    record.properties = turn.texts().keep(waits.properties);
    return;
  }
  record.topic = turn.texts().keep(message.topic);
  record.queue_id = message.queue_id;
  record.properties = turn.texts().keep(scratch_);
}

std::string_view SendProcessor::new_unique_id(SendTurn& turn) {
  scratch_.clear();
  shared_->unique_ids.append(scratch_);
  return turn.texts().keep(scratch_);
}

SendTurn& SendProcessor::turn_for(const SendProperties& properties) {
  return sync_flush_ && !properties.waits() ? *hasty_ : *waiting_;
}

void SendProcessor::turn_ended() {
  in_turn_ = false;
  put(waiting_, engine::Acknowledge::when_promised);
  put(hasty_, engine::Acknowledge::when_placed);
}

void SendProcessor::put(std::shared_ptr<SendTurn>& turn, engine::Acknowledge when) {
  if (turn->empty()) return;
  turn->region = region_;
  turn->trace_on = trace_on_;
  turn->began_ms = broker_.clock().now_ms();
  const std::shared_ptr<SendTurn> mine = turn;
  broker_.store().put_async(mine->messages(), mine->ends(), when,
                            [mine, &broker = broker_](std::span<const engine::PutResult> results) {
                              mine->answer(results, broker);
                            });
  // Otherwise the answers are on their way, and it is empty again.
  if (sync_flush_ && when == engine::Acknowledge::when_promised) turn = std::make_shared<SendTurn>();
}

void add_send_processor(Broker& broker) {
  const auto shared = std::make_shared<std::shared_ptr<SendShared>>();
  broker.on_start([&broker, shared] {
    *shared = std::make_shared<SendShared>(broker);
    return Status();
  });
  broker.add({RequestCode::send_message, RequestCode::send_message_v2, RequestCode::send_batch_message},
             [shared] { return std::make_unique<SendProcessor>(*shared); });
}

}  // namespace rmq::broker
