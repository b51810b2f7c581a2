#include "servers/broker/send_turn.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "servers/broker/broker.h"
#include "servers/broker/message_id.h"
#include "servers/broker/put_answer.h"
#include "servers/broker/registration.h"
#include "servers/broker/send_properties.h"

namespace rmq::broker {

std::string_view TextArena::keep(std::string_view text) {
  if (text.empty()) return {};
  char* to = nullptr;
  if (text.size() > kBlock / 4) {
    large_.push_back(std::make_unique_for_overwrite<char[]>(text.size()));
    to = large_.back().get();
  } else {
    if (kBlock - used_ < text.size()) {
      if (in_use_ == blocks_.size()) blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlock));
      ++in_use_;
      used_ = 0;
    }
    to = blocks_[in_use_ - 1].get() + used_;
    used_ += text.size();
  }
  std::memcpy(to, text.data(), text.size());
  return {to, text.size()};
}

void TextArena::clear() {
  constexpr std::size_t kBlocksKept = 16;
  if (blocks_.size() > kBlocksKept) blocks_.resize(kBlocksKept);
  large_.clear();
  in_use_ = 0;
  used_ = kBlock;
}

void SendTurn::add_send(Send send) {
  send.first = ends_.empty() ? 0 : ends_.back();
  sends_.push_back(std::move(send));
  ends_.push_back(messages_.size());
}

std::size_t SendTurn::counter_of(std::string_view topic, std::int32_t queue_id) {
  constexpr std::size_t kLookedAt = 32;  // a topic's queues, mostly; one too many costs little
  const std::size_t from = counters_.size() > kLookedAt ? counters_.size() - kLookedAt : 0;
  for (std::size_t i = from; i < counters_.size(); ++i)
    if (counters_[i].queue_id == queue_id && counters_[i].topic == topic) return i;
  counters_.push_back({topic, queue_id, 0, 0, 0});
  return counters_.size() - 1;
}

wire::Fields send_answer_fields(std::string_view region, bool trace_on) {
  wire::Fields fields;
  fields.reserve(7);
  fields.emplace_back(kPropertyMsgRegion, region);
  fields.emplace_back(kPropertyTraceOn, trace_on ? "true" : "false");
  return fields;
}

wire::Response SendTurn::answer_of(const Send& send, std::span<const engine::PutResult> results,
                                   Broker& broker) const {
  const engine::PutResult& first = results.front();
  wire::Response response;
  response.code = static_cast<std::int32_t>(code_of(first.status));
  response.fields = send_answer_fields(region, trace_on);
  if (!is_stored(first.status)) {
    response.remark = remark_of(first.status, broker);
    return response;
  }
  const format::HostView host = broker.store_host();
  std::string ids;
  ids.reserve(results.size() * (host.address.size() * 2 + 25));
  for (const engine::PutResult& one : results) {
    if (!ids.empty()) ids.push_back(',');
    append_offset_message_id(host, one.log_offset, ids);
  }
  response.fields.emplace_back("msgId", std::move(ids));
  response.fields.emplace_back("queueId", std::to_string(send.queue_id));
  response.fields.emplace_back("queueOffset", std::to_string(first.queue_offset));
  if (!send.transaction_id.empty()) response.fields.emplace_back("transactionId", send.transaction_id);
  if (!send.batch_unique_id.empty()) response.fields.emplace_back("batchUniqId", send.batch_unique_id);
  return response;
}

void SendTurn::answer(std::span<const engine::PutResult> results, Broker& broker) {
  for (std::size_t i = 0; i < sends_.size(); ++i) {
    Send& send = sends_[i];
    const auto own = results.subspan(send.first, ends_[i] - send.first);
    if (is_stored(own.front().status)) {
      Counter& counter = counters_[send.counter];
      ++counter.puts;
      counter.messages += std::ssize(own);
      for (const engine::PutResult& one : own) counter.bytes += one.size;
    }
    if (send.responder.oneway()) continue;
    if (!topics_made) {
      send.responder.send(answer_of(send, own, broker));
      continue;
    }
    struct Waiting {
      wire::Responder responder;
      wire::Response response;
    };
    auto waiting =
        std::make_shared<Waiting>(Waiting{std::move(send.responder), answer_of(send, own, broker)});
    broker.registration().when_done([waiting] { waiting->responder.send(std::move(waiting->response)); });
  }
  count(broker);
  clear();
}

// BrokerStatsManager.incTopicPutNums and its kin.
void SendTurn::count(Broker& broker) const {
  BrokerStats& stats = broker.stats();
  const std::int64_t took_ms = broker.clock().now_ms() - began_ms;
  const std::string cluster = broker.config().text<"brokerClusterName">();
  std::int64_t all = 0;
  for (const Counter& one : counters_) {
    if (one.messages == 0) continue;
    all += one.messages;
    stats.add(StatsName::topic_put_nums, one.topic, one.messages, one.puts);
    stats.add(StatsName::topic_put_size, one.topic, one.bytes, one.puts);
    const std::string topic(one.topic);
    const std::string queue = std::to_string(one.queue_id);
    stats.add(StatsName::topic_put_latency, queue + "@" + topic, took_ms * one.puts, one.puts);
    if (one.topic == kScheduleTopic) {
      stats.add(StatsName::queue_put_nums, topic + "@" + queue, one.messages, one.puts);
      stats.add(StatsName::queue_put_size, topic + "@" + queue, one.bytes, one.puts);
    }
    if (!broker.topics().is_system_topic(one.topic))
      stats.add(StatsName::broker_put_nums_without_system_topic, cluster, one.messages, 0);
  }
  if (all > 0) stats.add(StatsName::broker_put_nums, cluster, all, 0);
}

void SendTurn::clear() {
  messages_.clear();
  ends_.clear();
  sends_.clear();
  counters_.clear();
  texts_.clear();
  topics_made = false;
}

}  // namespace rmq::broker
