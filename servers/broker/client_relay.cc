#include "servers/broker/client_relay.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <utility>

#include "libstore/bytes/big_endian.h"
#include "servers/broker/admin_reply.h"
#include "servers/broker/broker.h"
#include "servers/broker/json_fields.h"

namespace rmq::broker {
namespace {

constexpr std::chrono::seconds kCallTimeout{10};   // Broker2Client.callClient
constexpr std::chrono::seconds kStatusTimeout{5};  // Broker2Client.getConsumeStatus

wire::Command as_it_came(const wire::Request& request) {
  wire::Command command{.code = request.code, .fields = {}, .body = std::string(as_text(request.body))};
  for (const auto& [name, value] : request.fields) command.fields.emplace_back(name, value);
  return command;
}

void set_field(wire::Fields& fields, std::string_view name, std::string value) {
  const auto found = std::ranges::find(fields, name, &wire::Fields::value_type::first);
  if (found != fields.end())
    found->second = std::move(value);
  else
    fields.emplace_back(name, std::move(value));
}

// Where a message id says that its message lies: behind address and port. Nothing where it is no id.
std::optional<std::int64_t> log_offset_of(std::string_view message_id) {
  if (message_id.size() != 32 && message_id.size() != 56) return std::nullopt;
  std::uint64_t offset = 0;
  const std::string_view digits = message_id.substr(message_id.size() - 16);
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), offset, 16);
  if (problem != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return static_cast<std::int64_t>(offset);
}

// Answers of several clients, until the last of them is there.
class Statuses {
 public:
  Statuses(std::size_t expected, wire::Responder responder)
      : missing_(expected), responder_(std::move(responder)) {}

  void add(const std::string& client_id, const Result<wire::Answer>& answered) {
    const std::lock_guard lock(mutex_);
    if (answered && answered->code == 0)
      if (const auto body = parse_body(as_bytes(answered->body));
          body && body->find("messageQueueTable") != nullptr)
        table_.set(client_id, *body->find("messageQueueTable"));
    if (--missing_ != 0) return;
    json::Object body;
    body.set("consumerTable", std::move(table_));
    body.set("messageQueueTable", json::Object());
    responder_.send(answer_json(body));
  }

 private:
  std::mutex mutex_;
  std::size_t missing_;        // mutex_
  wire::Responder responder_;  // mutex_
  json::Object table_;         // mutex_
};

}  // namespace

void ClientRelay::call(const std::string& group, const std::string& client_id, wire::Command command,
                       wire::Responder responder) const {
  const std::string who = "<" + group + "> <" + client_id + ">";
  const auto client = clients_.consumers().client(group, client_id);
  if (!client)
    return responder.send(answer(ResponseCode::system_error, "The Consumer " + who + " not online"));
  if (client->version < kVersionKnowsRelays)
    return responder.send(
        answer(ResponseCode::system_error, "The Consumer <" + client_id + "> Version <" +
                                               std::to_string(client->version) +
                                               "> too low to finish, please upgrade it to V3_1_8_SNAPSHOT"));
  auto waiting = std::make_shared<wire::Responder>(std::move(responder));
  client->connection->invoke(std::move(command), kCallTimeout, [who, waiting](Result<wire::Answer> answered) {
    if (answered)
      return waiting->send({.code = answered->code,
                            .remark = std::move(answered->remark),
                            .fields = std::move(answered->fields),
                            .body = std::move(answered->body),
                            .parts = {}});
    if (answered.error().os_errno == ETIMEDOUT)
      return waiting->send(answer(ResponseCode::consume_msg_timeout,
                                  "consumer " + who + " Timeout: " + answered.error().message()));
    waiting->send(answer(ResponseCode::system_error,
                         "invoke consumer " + who + " Exception: " + answered.error().message()));
  });
}

void ClientRelay::running_info(const wire::Request& request, wire::Responder responder) const {
  RequestFields fields(request);
  const std::string group(fields.text("consumerGroup"));
  const std::string client_id(fields.text("clientId"));
  if (fields.failed()) return responder.send(fields.failure());
  call(group, client_id, as_it_came(request), std::move(responder));
}

void ClientRelay::consume_directly(const wire::Request& request, wire::Responder responder) const {
  RequestFields fields(request);
  const std::string group(fields.text("consumerGroup"));
  const std::string client_id(fields.text("clientId", ""));
  const std::string topic(fields.text("topic", ""));
  const std::string message_id(fields.text("msgId", ""));
  if (fields.failed()) return responder.send(fields.failure());
  wire::Command command = as_it_came(request);
  set_field(command.fields, "brokerName", broker_.config().text<"brokerName">());
  if (const TopicConfigPtr config = broker_.topics().find(topic))
    set_field(command.fields, "topicSysFlag", std::to_string(config->sys_flag));
  const auto offset = log_offset_of(message_id);
  auto record =
      offset ? broker_.store().look_up(*offset) : Result<std::vector<std::byte>>(std::vector<std::byte>());
  if (!record || record->empty())
    return responder.send(answer(ResponseCode::system_error, "no message has the id " + message_id));
  command.body = as_text(*record);
  call(group, client_id, std::move(command), std::move(responder));
}

void ClientRelay::consumer_status(const wire::Request& request, wire::Responder responder) const {
  RequestFields fields(request);
  const std::string topic(fields.text("topic"));
  const std::string group(fields.text("group"));
  const std::string_view only = fields.text("clientAddr", "");
  if (fields.failed()) return responder.send(fields.failure());
  auto found = clients_.consumers().group(group);
  if (!found)
    return responder.send(
        answer(ResponseCode::system_error, "No Any Consumer online in the consumer group: [" + group + "]"));
  std::erase_if(found->clients, [&](const Client& client) { return !only.empty() && client.id != only; });
  for (const Client& client : found->clients)
    if (client.version < kVersionKnowsResetOffset)
      return responder.send(
          answer(ResponseCode::system_error,
                 "the client does not support this feature. version=" + std::to_string(client.version)));
  if (found->clients.empty()) {
    json::Object body;
    body.set("consumerTable", json::Object());
    body.set("messageQueueTable", json::Object());
    return responder.send(answer_json(body));
  }
  auto statuses = std::make_shared<Statuses>(found->clients.size(), std::move(responder));
  for (const Client& client : found->clients)
    client.connection->invoke(
        {.code = static_cast<std::int32_t>(RequestCode::get_consumer_status_from_client),
         .fields = {{"topic", topic}, {"group", group}},
         .body = {}},
        kStatusTimeout,
        [statuses, id = client.id](const Result<wire::Answer>& answered) { statuses->add(id, answered); });
}

}  // namespace rmq::broker
