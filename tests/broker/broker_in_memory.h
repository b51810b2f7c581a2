// A broker on a simulated disk, with clocks that a test moves and no threads, and clients that call it as net
// would: requests of a turn, then the end of the turn.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/commit_log_record.h"
#include "libstore/testing/simulated_file_system.h"
#include "servers/broker/broker.h"
#include "servers/broker/clients.h"
#include "servers/broker/pull_processor.h"
#include "servers/broker/query_processor.h"
#include "servers/broker/send_processor.h"
#include "tests/broker/fake_connection.h"

namespace rmq::broker {

// Keeps the answers of one connection.
class FakeSink final : public wire::Responder::Sink {
 public:
  explicit FakeSink(std::shared_ptr<wire::Connection> connection) : connection_(std::move(connection)) {}
  void send(std::int32_t opaque, wire::SerializeType, wire::Response response) override {
    EXPECT_TRUE(answers.emplace(opaque, std::move(response)).second) << "answered twice";
  }
  [[nodiscard]] const std::shared_ptr<wire::Connection>& connection() const override { return connection_; }

  std::map<std::int32_t, wire::Response> answers;

 private:
  std::shared_ptr<wire::Connection> connection_;
};

// The body of an answer, whatever it consists of.
inline std::string body_of(const wire::Response& response) {
  std::string body = response.body;
  for (const wire::BodyPart& part : response.parts) {
    if (part.file < 0) {
      body.append(as_text(part.bytes));
    } else {
      std::string piece(static_cast<std::size_t>(part.size), '\0');
      EXPECT_EQ(::pread(part.file, piece.data(), piece.size(), part.offset), part.size);
      body += piece;
    }
  }
  return body;
}

// The messages in a body; they borrow from it.
inline std::vector<format::MessageView> messages_in(const std::string& body) {
  std::vector<format::MessageView> messages;
  std::span<const std::byte> rest = as_bytes(body);
  while (!rest.empty()) {
    const auto message = format::MessageView::parse(rest);
    if (!message) {
      ADD_FAILURE() << "no message";
      break;
    }
    messages.push_back(*message);
    rest = rest.subspan(static_cast<std::size_t>(message->total_size));
  }
  return messages;
}

class BrokerInMemory {
 public:
  using Fields = wire::Fields;

  explicit BrokerInMemory(wire::Properties properties = {}) : properties_(std::move(properties)) { open(); }
  ~BrokerInMemory() { close(); }
  BrokerInMemory(const BrokerInMemory&) = delete;
  BrokerInMemory& operator=(const BrokerInMemory&) = delete;

  void open() {
    config = std::make_unique<BrokerConfig>(Surroundings{.home = "/home",
                                                         .namesrv = "",
                                                         .user_home = "/home",
                                                         .host_name = "broker-a",
                                                         .address = "127.0.0.1",
                                                         .cores = 2});
    config->apply({{"storePathRootDir", "/store"},
                   {"storePathCommitLog", "/store/commitlog"},
                   {"mappedFileSizeCommitLog", "1048576"},
                   {"mappedFileSizeConsumeQueue", "20000"},
                   {"maxHashSlotNum", "64"},
                   {"maxIndexNum", "256"}});
    config->apply(properties_);
    BrokerOptions options;
    options.files = &files;
    options.clock = &clock;
    options.steady = &clock;
    options.background = false;
    broker = std::make_unique<Broker>(*config, options);
    assemble(*broker);
    const Status started = broker->start();
    ASSERT_TRUE(started) << started.error().message();
    handler = broker->make_handler();
  }
  void close() {
    handler.reset();
    if (broker) (void)broker->stop();
    broker.reset();
  }
  // The process is gone, however; the next one opens what it left.
  void restart() {
    handler.reset();
    broker.reset();
    files.restart();
    sink->answers.clear();
    open();
  }

  // A request that waits for the end of the turn. Returns its opaque.
  std::int32_t ask(RequestCode code, const Fields& fields, std::string_view body = {},
                   std::int32_t flag = 0) {
    // What a request borrows must live until the turn ends: it is overwritten there.
    auto& kept = turn_.emplace_back(std::make_unique<Kept>());
    kept->fields = fields;
    kept->body = body;
    for (const auto& [name, value] : kept->fields) kept->views.emplace_back(name, value);
    wire::Request request;
    request.code = static_cast<std::int32_t>(code);
    request.opaque = ++opaque_;
    request.flag = flag;
    request.version = wire::kVersion;
    request.fields = kept->views;
    request.body = as_bytes(kept->body);
    handler->handle(request, wire::Responder(sink, request));
    return opaque_;
  }
  void end_turn() {
    handler->turn_ended();
    for (const auto& kept : turn_) {
      kept->body.assign(kept->body.size(), '#');
      for (auto& [name, value] : kept->fields) value.assign(value.size(), '#');
    }
    turn_.clear();
  }
  // The answer, or none yet.
  std::optional<wire::Response> call(RequestCode code, const Fields& fields, std::string_view body = {}) {
    const std::int32_t opaque = ask(code, fields, body);
    end_turn();
    return answer_to(opaque);
  }
  std::optional<wire::Response> answer_to(std::int32_t opaque) {
    const auto found = sink->answers.find(opaque);
    if (found == sink->answers.end()) return std::nullopt;
    wire::Response response = std::move(found->second);
    sink->answers.erase(found);
    return response;
  }

  // SEND_MESSAGE_V2.
  [[nodiscard]] static Fields send_fields(std::string_view topic, std::string_view queue = "0",
                                          std::string_view properties = "") {
    return {{"a", "producers"},
            {"b", std::string(topic)},
            {"c", "TBW102"},
            {"d", "4"},
            {"e", std::string(queue)},
            {"f", "0"},
            {"g", "1699999999000"},
            {"h", "5"},
            {"i", std::string(properties)},
            {"j", "0"},
            {"k", "false"},
            {"m", "false"}};
  }
  std::optional<wire::Response> send(std::string_view topic, std::string_view body,
                                     std::string_view properties = "", std::string_view queue = "0") {
    return call(RequestCode::send_message_v2, send_fields(topic, queue, properties), body);
  }
  // PULL_MESSAGE with its own subscription. `suspend_ms` 0: without waiting.
  [[nodiscard]] static Fields pull_fields(std::string_view topic, std::int64_t offset,
                                          std::string_view subscription = "*", std::int64_t suspend_ms = 0) {
    return {{"consumerGroup", "consumers"},
            {"topic", std::string(topic)},
            {"queueId", "0"},
            {"queueOffset", std::to_string(offset)},
            {"maxMsgNums", "32"},
            {"sysFlag", std::to_string(kPullSubscription | (suspend_ms > 0 ? kPullSuspend : 0))},
            {"commitOffset", "0"},
            {"suspendTimeoutMillis", std::to_string(suspend_ms)},
            {"subscription", std::string(subscription)},
            {"subVersion", "0"},
            {"expressionType", "TAG"}};
  }
  std::optional<wire::Response> pull(std::string_view topic, std::int64_t offset,
                                     std::string_view subscription = "*", std::int64_t suspend_ms = 0) {
    return call(RequestCode::pull_message, pull_fields(topic, offset, subscription, suspend_ms));
  }

  rmq::testing::SimulatedFileSystem files{1};
  TestClock clock;
  std::shared_ptr<FakeConnection> connection = std::make_shared<FakeConnection>();
  std::shared_ptr<FakeSink> sink = std::make_shared<FakeSink>(connection);
  std::unique_ptr<BrokerConfig> config;
  std::unique_ptr<Broker> broker;
  std::unique_ptr<wire::RequestHandler> handler;

 private:
  struct Kept {
    Fields fields;
    std::string body;
    std::vector<wire::Request::Field> views;
  };
  wire::Properties properties_;
  std::vector<std::unique_ptr<Kept>> turn_;
  std::int32_t opaque_ = 0;
};

inline std::string field(const std::optional<wire::Response>& response, std::string_view name) {
  if (!response) return "(no answer)";
  for (const auto& [key, value] : response->fields)
    if (key == name) return value;
  return "(no field)";
}
inline std::string remark(const std::optional<wire::Response>& response) {
  return response ? response->remark.value_or("") : "(no answer)";
}
inline int code(const std::optional<wire::Response>& response) { return response ? response->code : -1; }
// Replaces one of the fields.
inline wire::Fields with(wire::Fields fields, std::string_view name, std::string_view value) {
  for (auto& [key, old] : fields)
    if (key == name) old = value;
  return fields;
}
inline wire::Fields without(wire::Fields fields, std::string_view name) {
  std::erase_if(fields, [&](const auto& one) { return one.first == name; });
  return fields;
}

}  // namespace rmq::broker
