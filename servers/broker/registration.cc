#include "servers/broker/registration.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "libstore/bytes/crc32.h"
#include "libstore/json/json_writer.h"
#include "servers/broker/broker.h"
#include "servers/broker/codes.h"
#include "servers/broker/log.h"
#include "servers/wire/register_broker_body.h"

namespace rmq::broker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kUnregisterTimeout{3000};

// The topic as name servers are told, with a broker's permission that is less than all: new
// TopicConfig(name, read, write, perm), which loses the rest.
format::TopicConfig limited(const format::TopicConfig& topic, std::int32_t permission) {
  format::TopicConfig told;
  told.name = topic.name;
  told.read_queues = topic.read_queues;
  told.write_queues = topic.write_queues;
  told.perm = topic.perm & permission;
  return told;
}

}  // namespace

std::vector<std::string> name_servers(std::string_view addresses) {
  std::vector<std::string> parts;
  while (!addresses.empty()) {
    const std::size_t end = std::min(addresses.find(';'), addresses.size());
    std::string_view part = addresses.substr(0, end);
    addresses.remove_prefix(std::min(end + 1, addresses.size()));
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
  }
  return parts;
}

std::string address_problem(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return "has no host:port";
  const std::string_view text = address.substr(colon + 1);
  int port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc{} || end != text.data() + text.size() || port < 1 || port > 65535)
    return "has no port from 1 to 65535";
  return {};
}

wire::Fields Registration::identity() const {
  const BrokerConfig& config = broker_.config();
  return {{"brokerName", config.text<"brokerName">()},
          {"brokerAddr", broker_.address()},
          {"clusterName", config.text<"brokerClusterName">()},
          {"brokerId", std::to_string(config.number<"brokerId">())}};
}

wire::Command Registration::register_command(const std::vector<TopicConfigPtr>& topics,
                                             const format::DataVersion& version) const {
  const BrokerConfig& config = broker_.config();
  const auto permission = static_cast<std::int32_t>(config.number<"brokerPermission">());
  constexpr std::int32_t kReadWrite = kPermRead | kPermWrite;
  const bool all = (permission & kReadWrite) == kReadWrite;
  wire::RegisterBrokerBody body;
  body.data_version = version;
  body.mapping_version = {0, broker_.started_ms(), 0};
  for (const TopicConfigPtr& topic : topics)
    body.topics.push_back(all ? *topic : limited(*topic, permission));

  wire::Command command;
  command.code = static_cast<std::int32_t>(RequestCode::register_broker);
  command.body = wire::encode_register_broker_body(body, false);
  command.fields = identity();
  command.fields.emplace_back(
      "haServerAddr", config.text<"brokerIP2">() + ':' + std::to_string(config.number<"haListenPort">()));
  command.fields.emplace_back("enableActingMaster", "false");
  // 5.3.3 says false as well with compressedRegister, and then sends what no name server can read.
  command.fields.emplace_back("compressed", "false");
  command.fields.emplace_back("bodyCrc32",
                              std::to_string(java_crc32(std::as_bytes(std::span(command.body)))));
  return command;
}

std::uint64_t Registration::begin() {
  const std::lock_guard lock(mutex_);
  under_way_.insert(++last_call_);
  return last_call_;
}

void Registration::end(std::uint64_t call) {
  std::vector<std::function<void()>> released;
  {
    const std::lock_guard lock(mutex_);
    under_way_.erase(call);
    const std::uint64_t oldest = under_way_.empty() ? last_call_ + 1 : *under_way_.begin();
    std::erase_if(waiting_, [&](auto& waiter) {
      if (waiter.first >= oldest) return false;
      released.push_back(std::move(waiter.second));
      return true;
    });
    if (under_way_.empty()) idle_.notify_all();
  }
  for (const auto& then : released) then();
}

void Registration::when_done(std::function<void()> then) {
  {
    const std::lock_guard lock(mutex_);
    if (!under_way_.empty()) {
      waiting_.emplace_back(last_call_, std::move(then));
      return;
    }
  }
  then();
}

void Registration::wait(milliseconds most) {
  std::unique_lock lock(mutex_);
  idle_.wait_for(lock, most, [this] { return under_way_.empty(); });
}

void Registration::answered(const std::string& name_server, const Result<wire::Answer>& answer) {
  if (!answer) {
    log_warning("name server {} was not reached: {}", name_server, answer.error().message());
    return;
  }
  if (answer->code != 0) {
    log_warning("name server {} refused the registration: {} {}", name_server, answer->code,
                answer->remark.value_or(""));
    return;
  }
  if (answer->body.empty()) return;
  const auto body = json::parse(answer->body);
  const json::Value* table = body ? body->find("table") : nullptr;
  if (table == nullptr || table->if_object() == nullptr) return;
  std::vector<std::string> ordered;
  for (const json::Member& member : table->if_object()->members()) ordered.push_back(member.name);
  broker_.topics().set_ordered(ordered);
}

void Registration::send_all(const wire::Command& command) {
  if (gone_ || broker_.caller() == nullptr) return;
  const std::vector<std::string> servers = name_servers(broker_.config().text<"namesrvAddr">());
  const milliseconds timeout(broker_.config().number<"registerBrokerTimeoutMills">());
  for (const std::string& server : servers) {
    const std::uint64_t call = begin();
    broker_.caller()->invoke(server, command, timeout,
                             [this, server, call](const Result<wire::Answer>& answer) {
                               answered(server, answer);
                               end(call);
                             });
  }
}

void Registration::send_registration(const std::vector<TopicConfigPtr>& topics, Version version) {
  const std::lock_guard lock(order_mutex_);
  format::DataVersion told = broker_.topics().data_version();
  if (version == Version::another && told.counter == last_version_) {
    broker_.topics().bump_data_version();
    told = broker_.topics().data_version();
  }
  last_version_ = told.counter;
  // As they are now: somebody else may have changed them since.
  std::vector<TopicConfigPtr> now;
  for (const TopicConfigPtr& topic : topics)
    if (TopicConfigPtr found = broker_.topics().find(topic->name)) now.push_back(std::move(found));
  send_all(register_command(now, told));
}

void Registration::register_topics(const std::vector<TopicConfigPtr>& topics) {
  if (!topics.empty()) send_registration(topics, Version::another);
}

void Registration::register_all(bool forced) {
  if (gone_ || broker_.caller() == nullptr) return;
  const BrokerConfig& config = broker_.config();
  std::vector<TopicConfigPtr> topics = broker_.topics().all();
  if (config.flag<"enableSplitRegistration">()) {
    const auto most = static_cast<std::size_t>(config.number<"splitRegistrationSize">());
    while (topics.size() > most) {
      send_registration({topics.begin(), topics.begin() + static_cast<std::ptrdiff_t>(most)},
                        Version::another);
      topics.erase(topics.begin(), topics.begin() + static_cast<std::ptrdiff_t>(most));
    }
    return send_registration(topics, Version::another);
  }
  if (forced) return send_registration(topics, Version::any);

  // One who does not know them all, or does not answer, is enough for all to be told.
  const std::vector<std::string> servers = name_servers(config.text<"namesrvAddr">());
  wire::Command question;
  question.code = static_cast<std::int32_t>(RequestCode::query_data_version);
  question.fields = identity();
  question.body = json::write_fastjson(wire::to_json(broker_.topics().data_version()), {.pretty = false});
  struct Poll {
    std::atomic<std::size_t> left;
    std::atomic<bool> wanted{false};
  };
  auto poll = std::make_shared<Poll>();
  poll->left = servers.size();
  const milliseconds timeout(config.number<"registerBrokerTimeoutMills">());
  for (const std::string& server : servers) {
    const std::uint64_t call = begin();
    broker_.caller()->invoke(
        server, question, timeout, [this, poll, call](const Result<wire::Answer>& answer) {
          if (!answer || (answer->code == 0 && answer->field("changed").value_or("true") != "false"))
            poll->wanted = true;
          if (--poll->left == 0 && poll->wanted) send_registration(broker_.topics().all(), Version::any);
          end(call);
        });
  }
}

void Registration::unregister() {
  if (gone_.exchange(true) || broker_.caller() == nullptr) return;
  const std::vector<std::string> servers = name_servers(broker_.config().text<"namesrvAddr">());
  wire::Command command;
  command.code = static_cast<std::int32_t>(RequestCode::unregister_broker);
  command.fields = identity();
  for (const std::string& server : servers) {
    const std::uint64_t call = begin();
    broker_.caller()->invoke(server, command, kUnregisterTimeout,
                             [this, server, call](const Result<wire::Answer>& answer) {
                               if (!answer)
                                 log_warning("name server {} was not told that this broker goes: {}", server,
                                             answer.error().message());
                               end(call);
                             });
  }
  wait(kUnregisterTimeout);
}

}  // namespace rmq::broker
