#include "servers/broker/pull_processor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "libstore/base/saturate.h"
#include "servers/broker/clients.h"
#include "servers/broker/remarks.h"
#include "servers/broker/request_fields.h"

namespace rmq::broker {
namespace {

// RocketMQ: ForbiddenType.
constexpr std::int32_t kBrokerForbidden = 1;
constexpr std::int32_t kGroupForbidden = 2;
constexpr std::int32_t kTopicForbidden = 3;
constexpr std::int32_t kBroadcastingForbidden = 4;
constexpr std::int32_t kSubscriptionForbidden = 5;
constexpr int kReadIndex = 1;  // PermName.INDEX_PERM_READ

constexpr std::chrono::milliseconds kLookAtHeld{500};
constexpr std::int64_t kMasterId = 0;

std::int64_t physical_memory() {
  static const std::int64_t bytes =
      static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  return bytes;
}

// A reset that is due once.
constexpr std::string_view kOffsetReset = "OFFSET_RESET";

ResponseCode code_of(engine::GetStatus status, std::int64_t asked) {
  switch (status) {
    case engine::GetStatus::found: return ResponseCode::success;
    case engine::GetStatus::message_was_removing:
    case engine::GetStatus::no_matched_message: return ResponseCode::pull_retry_immediately;
    case engine::GetStatus::no_matched_logic_queue:
    case engine::GetStatus::no_message_in_queue:
      return asked != 0 ? ResponseCode::pull_offset_moved : ResponseCode::pull_not_found;
    case engine::GetStatus::offset_found_null:
    case engine::GetStatus::offset_overflow_one: return ResponseCode::pull_not_found;
    case engine::GetStatus::offset_overflow_badly:
    case engine::GetStatus::offset_too_small: return ResponseCode::pull_offset_moved;
  }
  return ResponseCode::system_error;
}

wire::BodyPart part_of(engine::LogPiece piece) {
  return {piece.bytes, piece.file, piece.offset, piece.size, std::move(piece.owner)};
}

}  // namespace

void PullProcessor::handle(const wire::Request& request, wire::Responder responder) {
  const auto header = parse_pull_header(request);
  if (!header) return responder.send(answer(ResponseCode::system_error, header.error().context));
  pull(*header, std::move(responder), Suspend::allowed);
}

// PullMessageProcessor.processRequest.
void PullProcessor::pull(const PullHeader& header, wire::Responder responder, Suspend suspend) {
  const std::int64_t began_ms = broker_.clock().now_ms();
  Pull pull;
  pull.header = header;
  if (Check refused = check(pull, responder)) {
    wire::Response response = answer(refused->code, std::move(refused->remark));
    if (refused->forbidden_type != 0)
      response.fields.emplace_back("forbiddenType", std::to_string(refused->forbidden_type));
    return responder.send(std::move(response));
  }
  const std::optional<std::int64_t> reset =
      broker_.offsets().take_reset(header.group, header.topic, header.queue_id);
  const bool is_reset = reset && broker_.config().flag<"useServerSideResetOffset">();
  engine::GetView view;
  if (is_reset) {
    view.status = engine::GetStatus::offset_too_small;
    view.next_begin_offset = *reset;
    view.min_offset = broker_.store().min_offset(header.topic, header.queue_id).value_or(0);
    view.max_offset = broker_.store().max_offset(header.topic, header.queue_id).value_or(0);
  } else {
    auto got = get(pull);
    if (!got) return responder.send(answer(ResponseCode::system_error, got.error().message()));
    view = std::move(*got);
  }
  broker_.offsets().commit_pull(header.group, header.topic, header.queue_id, view.next_begin_offset);
  if (suspend == Suspend::allowed && header.has(kPullCommitOffset))
    broker_.offsets().commit(header.group, header.topic, header.queue_id, header.commit_offset);
  if (view.status == engine::GetStatus::found) count(pull, view, began_ms);

  const bool at_end = view.status != engine::GetStatus::offset_found_null;
  wire::Response response = answer_of(pull, std::move(view));
  if (is_reset) response.remark = kOffsetReset;
  if (response.code == static_cast<std::int32_t>(ResponseCode::pull_not_found) &&
      suspend == Suspend::allowed && header.has(kPullSuspend))
    return hold(std::move(pull), std::move(response), at_end, std::move(responder));
  responder.send(std::move(response));
}

PullProcessor::Check PullProcessor::check(Pull& pull, const wire::Responder& responder) {
  const PullHeader& header = pull.header;
  const BrokerConfig& config = broker_.config();
  if ((config.number<"brokerPermission">() & kPermRead) == 0)
    return Refusal{ResponseCode::no_permission,
                   "the broker[" + config.text<"brokerIP1">() + "] pulling message is forbidden",
                   kBrokerForbidden};
  if (header.code == static_cast<std::int32_t>(RequestCode::lite_pull_message) &&
      !config.flag<"litePullMessageEnable">())
    return Refusal{ResponseCode::no_permission,
                   "the broker[" + config.text<"brokerIP1">() + "] for lite pull consumer is forbidden",
                   kBrokerForbidden};
  pull.group = broker_.groups().find_or_create(header.group);
  if (!pull.group)
    return Refusal{ResponseCode::subscription_group_not_exist,
                   fmt::format("subscription group [{}] does not exist, {}", header.group, kSeeFaq)};
  if (!pull.group->consume_enable)
    return Refusal{ResponseCode::no_permission,
                   "subscription group no permission, " + std::string(header.group), kGroupForbidden};
  pull.topic = broker_.topics().find(header.topic);
  if (!pull.topic)
    return Refusal{ResponseCode::topic_not_exist,
                   fmt::format("topic[{}] not exist, apply first please! {}", header.topic, kSeeFaq)};
  if ((pull.topic->perm & kPermRead) == 0)
    return Refusal{ResponseCode::no_permission,
                   fmt::format("the topic[{}] pulling message is forbidden", header.topic), kTopicForbidden};
  if (header.queue_id < 0 || header.queue_id >= pull.topic->read_queues)
    return Refusal{
        ResponseCode::invalid_parameter,
        fmt::format("queueId[{}] is illegal, topic:[{}] topicConfig.readQueueNums:[{}] consumer:[{}]",
                    header.queue_id, header.topic, pull.topic->read_queues,
                    responder.connection()->remote_address())};
  if (Check refused = find_subscription(pull)) return refused;
  if (!is_tag_type(pull.subscription->expression_type))
    return Refusal{ResponseCode::system_error, "The broker does not support consumer to filter message by " +
                                                   pull.subscription->expression_type};
  return std::nullopt;
}

PullProcessor::Check PullProcessor::find_subscription(Pull& pull) {
  const PullHeader& header = pull.header;
  if (header.has(kPullSubscription)) {
    auto made =
        make_subscription(header.topic, header.subscription, header.expression_type, header.sub_version);
    if (!made)
      return Refusal{ResponseCode::subscription_parse_failed, "parse the consumer's subscription failed"};
    pull.subscription = std::make_shared<const SubscriptionData>(std::move(*made));
    if (ClientTables* clients = broker_.clients())
      clients->consumers().note_pull(header.group, pull.subscription);
    return std::nullopt;
  }
  std::optional<Subscribed> online;
  if (ClientTables* clients = broker_.clients())
    online = clients->consumers().subscribed(header.group, header.topic);
  if (!online)
    return Refusal{ResponseCode::subscription_not_exist,
                   "the consumer's group info not exist" + std::string(kSeeFaq)};
  if (!pull.group->consume_broadcast_enable && online->message_model == MessageModel::broadcasting)
    return Refusal{ResponseCode::no_permission,
                   fmt::format("the consumer group[{}] can not consume by broadcast way", header.group),
                   kBroadcastingForbidden};
  if (broker_.groups().is_forbidden(header.group, header.topic, kReadIndex))
    return Refusal{
        ResponseCode::no_permission,
        fmt::format("the consumer group[{}] is forbidden for topic[{}]", header.group, header.topic),
        kSubscriptionForbidden};
  if (!online->subscription)
    return Refusal{ResponseCode::subscription_not_exist,
                   "the consumer's subscription not exist" + std::string(kSeeFaq)};
  if (online->subscription->version < header.sub_version)
    return Refusal{ResponseCode::subscription_not_latest, "the consumer's subscription not latest"};
  pull.subscription = online->subscription;
  return std::nullopt;
}

Result<engine::GetView> PullProcessor::get(const Pull& pull) {
  const BrokerConfig& config = broker_.config();
  engine::GetOptions options;
  options.max_messages = pull.header.max_messages;
  options.in_memory_bytes = physical_memory() / 100 * config.number<"accessMessageInMemoryMaxRatio">();
  options.in_memory = {static_cast<std::int32_t>(config.number<"maxTransferCountOnMessageInMemory">()),
                       config.number<"maxTransferBytesOnMessageInMemory">()};
  options.on_disk = {static_cast<std::int32_t>(config.number<"maxTransferCountOnMessageInDisk">()),
                     config.number<"maxTransferBytesOnMessageInDisk">()};
  const SubscriptionData& subscription = *pull.subscription;
  if (!subscription.class_filter_mode && subscription.sub_string != kSubscribeAll)
    options.wants = [&subscription](std::int64_t tags_code) { return subscription.wants(tags_code); };
  return broker_.store().view(pull.header.topic, pull.header.queue_id, pull.header.queue_offset, options);
}

// PullMessageProcessor.composeResponseHeader.
wire::Response PullProcessor::answer_of(const Pull& pull, engine::GetView view) {
  const BrokerConfig& config = broker_.config();
  wire::Response response;
  response.code = static_cast<std::int32_t>(code_of(view.status, pull.header.queue_offset));
  response.remark = to_string(view.status);
  const bool slow =
      view.fallen_behind > physical_memory() / 100 * config.number<"accessMessageInMemoryMaxRatio">();
  std::int64_t suggested = kMasterId;
  if (config.flag<"slaveReadEnable">())
    suggested = slow ? pull.group->broker_when_consume_slowly : pull.group->broker_id;
  response.fields.reserve(6);
  response.fields.emplace_back("suggestWhichBrokerId", std::to_string(suggested));
  response.fields.emplace_back("nextBeginOffset", std::to_string(view.next_begin_offset));
  response.fields.emplace_back("minOffset", std::to_string(view.min_offset));
  response.fields.emplace_back("maxOffset", std::to_string(view.max_offset));
  response.fields.emplace_back("topicSysFlag", std::to_string(pull.topic->sys_flag));
  response.fields.emplace_back("groupSysFlag", std::to_string(pull.group->sys_flag));
  response.parts.reserve(view.pieces.size());
  for (engine::LogPiece& piece : view.pieces) response.parts.push_back(part_of(std::move(piece)));
  return response;
}

void PullProcessor::hold(Pull pull, wire::Response not_found, bool at_end, wire::Responder responder) {
  const BrokerConfig& config = broker_.config();
  const std::int64_t wait_ms =
      config.flag<"longPollingEnable">() ? pull.header.suspend_ms : config.number<"shortPollingTimeMills">();
  const std::string topic(pull.header.topic);
  const std::int32_t queue_id = pull.header.queue_id;
  HeldPull held{pull.header.as<std::string>(), std::move(pull.subscription),
                saturated_add(broker_.clock().now_ms(), wait_ms), std::move(responder)};
  if (!held_.add(held)) return held.responder.send(std::move(not_found));
  // What came between the look at the queue and now has been told already.
  const auto end = broker_.store().max_offset(topic, queue_id);
  if (at_end && end) pull_again(held_.take(topic, queue_id, *end));
}

void PullProcessor::pull_again(std::vector<HeldPull> pulls) {
  for (HeldPull& held : pulls)
    pull(held.header.as<std::string_view>(), std::move(held.responder), Suspend::no);
}

void PullProcessor::arrived(std::span<const engine::Arrival> arrivals) {
  if (held_.count() != 0) pull_again(held_.take(arrivals));
}

void PullProcessor::answer_due() { pull_again(held_.take_due(broker_.clock().now_ms())); }

// BrokerStatsManager.incGroupGetNums and its kin.
void PullProcessor::count(const Pull& pull, const engine::GetView& view, std::int64_t began_ms) {
  BrokerStats& stats = broker_.stats();
  const std::string key = fmt::format("{}@{}", pull.header.topic, pull.header.group);
  const std::string queue_key = fmt::format("{}@{}", pull.header.queue_id, key);
  const std::string cluster = broker_.config().text<"brokerClusterName">();
  stats.add(StatsName::group_get_nums, key, view.messages);
  stats.add(StatsName::group_get_size, key, view.bytes);
  stats.add(StatsName::group_get_latency, queue_key, broker_.clock().now_ms() - began_ms);
  stats.add(StatsName::group_get_fall_size, queue_key, view.fallen_behind);
  stats.add(StatsName::broker_get_nums, cluster, view.messages, 0);
  if (!broker_.topics().is_system_topic(pull.header.topic))
    stats.add(StatsName::broker_get_nums_without_system_topic, cluster, view.messages, 0);
}

void add_pull_processor(Broker& broker) {
  const auto pulls = std::make_shared<PullProcessor>(broker);
  for (const RequestCode code : {RequestCode::pull_message, RequestCode::lite_pull_message})
    broker.add(
        code,
        [pulls](const wire::Request& request, wire::Responder responder) {
          pulls->handle(request, std::move(responder));
        },
        Ports::not_vip);
  broker.on_arrival([pulls](std::span<const engine::Arrival> arrivals) { pulls->arrived(arrivals); });
  // Those who wait are told that there is nothing, before net ends.
  broker.on_drain([pulls] { pulls->answer_all(); });
  // Nobody is connected any more.
  broker.on_stop([pulls] { pulls->drop_all(); });
  broker.on_start([&broker, pulls] {
    broker.scheduler().every(kLookAtHeld, [pulls] { pulls->answer_due(); });
    return Status();
  });
}

}  // namespace rmq::broker
