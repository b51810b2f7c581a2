#include "servers/broker/broker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "servers/broker/log.h"
#include "servers/broker/registration.h"
#include "servers/broker/request_fields.h"
#include "servers/broker/store_notes.h"
#include "servers/broker/store_options.h"

namespace rmq::broker {
namespace {

class FunctionProcessor final : public Processor {
 public:
  explicit FunctionProcessor(std::shared_ptr<const HandleFunction> handle) : handle_(std::move(handle)) {}
  void handle(const wire::Request& request, wire::Responder responder) override {
    (*handle_)(request, std::move(responder));
  }

 private:
  std::shared_ptr<const HandleFunction> handle_;
};

// What to do about a store that cannot be opened.
Error explained(Error error, const io::ReadFileSystem& files, const std::string& root) {
  if (error.code != ErrorCode::wrong_use) return error;
  if (error.context.find("needs repair") != std::string::npos) {
    error.context += fmt::format(
        "\n  what is wrong:  rmq-verify {0}\n  what mends it:  rmq-repair {0} --plan plan.json, look at it, "
        "then "
        "rmq-repair apply plan.json --yes",
        root);
  } else if (error.context.find("is locked") != std::string::npos) {
    // Whoever serves the store has written its number there.
    constexpr std::int64_t kMostBytes = 64;
    const auto owner = io::read_all(files, io::join_path(root, "abort"), kMostBytes);
    error.context +=
        owner && !owner->empty()
            ? fmt::format(": the broker with process id {} serves this store; stop it first", as_text(*owner))
            : ": another broker serves this store; stop it first";
  }
  return error;
}

Status refuse_foreign_parts(const scan::StoreSurvey& survey) {
  if (survey.commit_log_is_dledger)
    return wrong_use("the commit log is DLedger's: it cannot be served yet; a stock broker can");
  if (survey.consume_queue_is_rocksdb)
    return wrong_use(
        "the queues are kept in RocksDB (storeType=defaultRocksDB): they cannot be served yet; a stock "
        "broker can");
  return {};
}

}  // namespace

// One thread's processors. They are made when the first request comes for them.
class Broker::Handler final : public wire::RequestHandler {
 public:
  explicit Handler(const Broker& broker)
      : broker_(broker),
        vip_port_(broker.config_.number<"listenPort">() - 2),
        processors_(broker.factories_.size()) {}

  void handle(const wire::Request& request, wire::Responder responder) override {
    const auto route = broker_.routes_.find(request.code);
    if (route == broker_.routes_.end() ||
        (route->second.ports == Ports::not_vip && responder.connection()->local_port() == vip_port_)) {
      return responder.send(answer(ResponseCode::request_code_not_supported,
                                   " request type " + std::to_string(request.code) + " not supported"));
    }
    auto& processor = processors_[route->second.factory];
    if (!processor) processor = broker_.factories_[route->second.factory]();
    processor->handle(request, std::move(responder));
  }

  void turn_ended() override {
    for (const auto& processor : processors_)
      if (processor) processor->turn_ended();
  }

 private:
  const Broker& broker_;
  const std::int64_t vip_port_;
  std::vector<std::unique_ptr<Processor>> processors_;
};

Broker::Broker(BrokerConfig& config, const BrokerOptions& options)
    : config_(config),
      options_(options),
      config_directory_(io::join_path(config.text<"storePathRootDir">(), "config")),
      store_address_(address_bytes(config.text<"brokerIP1">())),
      registration_(std::make_unique<Registration>(*this)),
      scheduler_(*options.steady) {}

Broker::~Broker() { scheduler_.stop(); }

std::string Broker::address() const {
  return config_.text<"brokerIP1">() + ':' + std::to_string(config_.number<"listenPort">());
}

Status Broker::start() {
  Status opened = open();
  if (!opened && store_) (void)store_->close();
  return opened;
}

Status Broker::open() {
  started_ms_ = clock().now_ms();
  topics_ = std::make_unique<TopicConfigs>(files(), config_directory_, config_, clock());
  groups_ = std::make_unique<SubscriptionGroups>(files(), config_directory_, config_, clock());
  offsets_ = std::make_unique<ConsumerOffsets>(files(), config_directory_, config_, clock());
  RMQ_CHECK(topics_->load());
  RMQ_CHECK(groups_->load());
  auto opened = engine::MessageStore::open(files(), store_options());
  if (!opened) return explained(std::move(opened).error(), files(), config_.text<"storePathRootDir">());
  store_ = std::move(*opened);
  RMQ_TRY(clamped, offsets_->load([this](std::string_view topic, std::int32_t queue) {
    return store_->max_offset(topic, queue);
  }));
  for (const std::string& line : clamped) log_warning("{}", line);
  for (const std::string& note : store_notes(*this)) log_warning("{}", note);
  topics_->on_change(
      [this](const std::vector<TopicConfigPtr>& topics) { registration_->register_topics(topics); });
  for (const auto& hook : start_hooks_) RMQ_CHECK(hook());
  schedule();
  running_ = true;
  return {};
}

engine::StoreOptions Broker::store_options() {
  engine::StoreOptions options = store_options_of(config_);
  options.background = options_.background;
  options.clock = options_.clock;
  options.planner = [this](const scan::StoreSurvey& survey,
                           const recovery::PlanOptions& plan) -> Result<recovery::Plan> {
    RMQ_CHECK(refuse_foreign_parts(survey));
    return recovery::make_plan(files(), survey, plan);
  };
  options.kind_of = [this](std::string_view topic) {
    const TopicConfigPtr found = topics_->find(topic);
    const bool batch = found && std::ranges::find(found->attributes, std::pair<std::string, std::string>(
                                                                         "queue.type", "BatchCQ")) !=
                                    found->attributes.end();
    return batch ? scan::QueueKind::batch : scan::QueueKind::simple;
  };
  if (!arrival_hooks_.empty()) {
    options.arriving = [this](std::span<const engine::Arrival> arrivals) {
      for (const auto& hook : arrival_hooks_) hook(arrivals);
    };
  }
  return options;
}

void Broker::schedule() {
  using Milliseconds = Scheduler::Milliseconds;
  constexpr Milliseconds kFirst{10'000};
  scheduler_.every(
      kFirst, [this] { return Milliseconds(config_.number<"flushConsumerOffsetInterval">()); },
      [this] {
        if (const Status saved = offsets_->persist(); !saved)
          log_error("consumerOffset.json cannot be written: {}", saved.error().message());
      });
  constexpr Milliseconds kProtect{180'000};
  scheduler_.every(kProtect, [this] { stop_slow_groups(); });
  const auto sample = [this](std::int64_t period_ms, void (BrokerStats::*what)(std::int64_t)) {
    scheduler_.every(Milliseconds(0), Milliseconds(period_ms),
                     [this, what] { (stats_.*what)(clock().now_ms()); });
  };
  sample(BrokerStats::kSecondsPeriodMs, &BrokerStats::sample_seconds);
  sample(BrokerStats::kMinutesPeriodMs, &BrokerStats::sample_minutes);
  sample(BrokerStats::kHoursPeriodMs, &BrokerStats::sample_hours);
}

// BrokerController.protectBroker.
void Broker::stop_slow_groups() {
  if (!config_.flag<"disableConsumeIfConsumerReadSlowly">()) return;
  for (const auto& [key, behind] : stats_.totals(StatsName::group_get_fall_size)) {
    const std::size_t at = key.rfind('@');
    if (at == std::string::npos || behind <= config_.number<"consumerFallbehindThreshold">()) continue;
    const std::string group = key.substr(at + 1);
    log_warning("group {} is {} bytes behind and must not consume any more ({})", group, behind, key);
    groups_->disable_consume(group);
  }
}

void Broker::serve() {
  using Milliseconds = Scheduler::Milliseconds;
  static constexpr std::int64_t kShortest = 10'000;
  static constexpr std::int64_t kLongest = 60'000;
  const std::int64_t hidden = std::max<std::int64_t>(0, config_.number<"disappearTimeAfterStart">());
  if (hidden == 0) {
    registration_->register_all(true);
    // Who is told that the broker runs shall find it; a name server that does not answer holds nobody up.
    constexpr Milliseconds kPatience{3'000};
    registration_->wait(kPatience);
  } else {
    scheduler_.once(Milliseconds(hidden), [this] { registration_->register_all(true); });
  }
  scheduler_.every(
      Milliseconds(hidden + kShortest),
      [this] {
        return Milliseconds(std::clamp(config_.number<"registerNameServerPeriod">(), kShortest, kLongest));
      },
      [this] { registration_->register_all(config_.flag<"forceRegister">()); });
  if (options_.background) scheduler_.start();
}

void Broker::unregister() { registration_->unregister(); }

void Broker::drain() {
  for (const auto& hook : drain_hooks_) hook();
}

Status Broker::stop() {
  if (!std::exchange(running_, false)) return {};
  registration_->unregister();
  scheduler_.stop();
  for (auto hook = stop_hooks_.rbegin(); hook != stop_hooks_.rend(); ++hook) (*hook)();
  Status first;
  const auto note = [&first](const Status& status, std::string_view what) {
    if (status) return;
    log_error("{}: {}", what, status.error().message());
    if (first) first = status.error();
  };
  note(offsets_->persist(), "consumerOffset.json cannot be written");
  note(store_->close(), "the store cannot be closed");
  return first;
}

Status Broker::delete_topic(const std::string& topic) {
  topics_->remove(topic);
  offsets_->remove_topic(topic);
  stats_.forget_topic(topic);
  for (const auto& hook : topic_hooks_) hook(topic);
  const auto deleted = store_->delete_topics({&topic, 1});
  if (!deleted) return deleted.error();
  return offsets_->persist();
}

void Broker::delete_group(const std::string& group, bool clean_offsets) {
  groups_->remove(group);
  if (clean_offsets) offsets_->remove_group(group);
  stats_.forget_group(group);
  for (const auto& hook : group_hooks_) hook(group);
}

Broker::RuntimeLines Broker::runtime_info_of_parts() const {
  RuntimeLines info;
  for (const auto& hook : runtime_hooks_) hook(info);
  return info;
}

void Broker::add(std::initializer_list<RequestCode> codes, ProcessorFactory factory, Ports ports) {
  for (const RequestCode code : codes)
    routes_.insert_or_assign(static_cast<std::int32_t>(code), Route{factories_.size(), ports});
  factories_.push_back(std::move(factory));
}

void Broker::add(RequestCode code, HandleFunction handle, Ports ports) {
  auto shared = std::make_shared<const HandleFunction>(std::move(handle));
  add({code}, [shared] { return std::make_unique<FunctionProcessor>(shared); }, ports);
}

std::unique_ptr<wire::RequestHandler> Broker::make_handler() { return std::make_unique<Handler>(*this); }

void Broker::connection_closed(const std::shared_ptr<wire::Connection>& connection) {
  for (const auto& hook : closed_hooks_) hook(connection);
}

}  // namespace rmq::broker
