// The sends of one turn, on their way into the store: messages, what their texts lie in, and whom to answer.
// One thread fills it; the store's callback empties it, perhaps on another thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/engine/status.h"
#include "libstore/format/commit_log_record.h"
#include "servers/wire/handler.h"

namespace rmq::broker {

class Broker;

// Texts that stay where they are until all of it is given back.
class TextArena {
 public:
  [[nodiscard]] std::string_view keep(std::string_view text);
  void clear();

 private:
  static constexpr std::size_t kBlock = 64 << 10;
  std::vector<std::unique_ptr<char[]>> blocks_;  // of kBlock
  std::vector<std::unique_ptr<char[]>> large_;
  std::size_t in_use_ = 0;  // blocks, the last of them up to used_
  std::size_t used_ = kBlock;
};

class SendTurn {
 public:
  // Whoever sent messages, one or a batch.
  struct Send {
    explicit Send(wire::Responder whom) : responder(std::move(whom)) {}
    wire::Responder responder;
    std::int32_t queue_id = 0;  // as the client is told
    std::string_view transaction_id;
    std::string_view batch_unique_id;
    std::size_t counter = 0;
    std::size_t first = 0;  // of its messages
  };

  [[nodiscard]] bool empty() const { return sends_.empty(); }
  [[nodiscard]] TextArena& texts() { return texts_; }
  void add_message(const format::MessageView& message) { messages_.push_back(message); }
  // Of the messages added since the send before.
  void add_send(Send send);
  // Takes back messages that belong to no send.
  void drop_messages() { messages_.resize(ends_.empty() ? 0 : ends_.back()); }
  // The number of the counter that counts what is put to this queue; `topic` lives as long as texts() do.
  [[nodiscard]] std::size_t counter_of(std::string_view topic, std::int32_t queue_id);

  [[nodiscard]] std::span<const format::MessageView> messages() const { return messages_; }
  [[nodiscard]] std::span<const std::size_t> ends() const { return ends_; }
  // What the answers say to all: set before the store has it.
  std::string region;
  bool trace_on = true;
  std::int64_t began_ms = 0;
  // Topics were made by sending to them: whoever is told that may ask a name server for the route at once, so
  // the answers wait until those know (RocketMQ registers before it stores).
  bool topics_made = false;

  // Answers all, counts what was stored, and is empty then.
  void answer(std::span<const engine::PutResult> results, Broker& broker);
  void clear();

 private:
  struct Counter {
    std::string_view topic;
    std::int32_t queue_id = 0;
    std::int64_t messages = 0;
    std::int64_t bytes = 0;
    std::int64_t puts = 0;
  };
  [[nodiscard]] wire::Response answer_of(const Send& send, std::span<const engine::PutResult> results,
                                         Broker& broker) const;
  void count(Broker& broker) const;

  TextArena texts_;
  std::vector<format::MessageView> messages_;
  std::vector<std::size_t> ends_;
  std::vector<Send> sends_;
  std::vector<Counter> counters_;
};

// The header fields that every answer to a send has.
[[nodiscard]] wire::Fields send_answer_fields(std::string_view region, bool trace_on);

}  // namespace rmq::broker
