#include "servers/broker/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "servers/broker/broker.h"
#include "servers/broker/clients.h"

namespace rmq::broker {
namespace {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
  return text;
}

std::string flag_text(bool flag) { return flag ? "true" : "false"; }

Labels own_labels(const BrokerConfig& config) {
  return {{"node_type", "broker"},
          {"cluster", config.text<"brokerClusterName">()},
          {"node_id", config.text<"brokerName">()}};
}

class Text {
 public:
  explicit Text(const BrokerConfig& config) {
    for (const auto& [name, value] : own_labels(config))
      common_ += fmt::format("{}=\"{}\",", name, escaped(value));
    // "a:1,b:2"
    const std::string given = config.text<"metricsLabel">();
    std::string_view more = given;
    while (!more.empty()) {
      const std::string_view part = more.substr(0, more.find(','));
      more.remove_prefix(std::min(part.size() + 1, more.size()));
      const std::size_t colon = part.find(':');
      if (colon != std::string_view::npos && colon > 0)
        common_ += fmt::format("{}=\"{}\",", part.substr(0, colon), escaped(part.substr(colon + 1)));
    }
  }

  void add(std::string_view name, const Labels& labels, std::int64_t value) {
    std::string line = fmt::format("{}{{{}", name, common_);
    for (const auto& [label, text] : labels) line += fmt::format("{}=\"{}\",", label, escaped(text));
    line.back() = '}';
    lines_[std::string(name)] += fmt::format("{} {}\n", line, value);
  }

  [[nodiscard]] std::string all() const {
    std::string text;
    for (const Metric& metric : kMetrics) {
      const auto found = lines_.find(metric.name);
      if (found == lines_.end()) continue;
      text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{3}", metric.name, metric.meaning, metric.type,
                          found->second);
    }
    return text;
  }

 private:
  std::string common_;
  std::map<std::string, std::string, std::less<>> lines_;
};

Labels group_labels(const TopicConfigs& topics, std::string_view topic, std::string_view group) {
  return {{"consumer_group", std::string(group)},
          {"topic", std::string(topic)},
          {"is_retry", flag_text(topic.starts_with(kRetryPrefix))},
          {"is_system", flag_text(topics.is_system_topic(topic) || is_system_group(group))}};
}

void add_counts(Broker& broker, Text& text) {
  const TopicConfigs& topics = broker.topics();
  const auto by_topic = [&](std::string_view name, StatsName stats) {
    for (const auto& [topic, value] : broker.stats().totals(stats))
      text.add(name, {{"topic", topic}, {"is_system", flag_text(topics.is_system_topic(topic))}}, value);
  };
  const auto by_group = [&](std::string_view name, StatsName stats) {
    for (const auto& [key, value] : broker.stats().totals(stats)) {
      const std::size_t at = std::min(key.find('@'), key.size());
      text.add(name,
               group_labels(topics, std::string_view(key).substr(0, at),
                            std::string_view(key).substr(std::min(at + 1, key.size()))),
               value);
    }
  };
  by_topic("rocketmq_messages_in_total", StatsName::topic_put_nums);
  by_topic("rocketmq_throughput_in_total", StatsName::topic_put_size);
  by_group("rocketmq_messages_out_total", StatsName::group_get_nums);
  by_group("rocketmq_throughput_out_total", StatsName::group_get_size);
  by_group("rocketmq_send_to_dlq_messages_total", StatsName::dlq_put_nums);
}

void add_lags(Broker& broker, Text& text) {
  struct Lag {
    std::int64_t messages = 0;
    std::int64_t oldest_ms = 0;
  };
  std::map<std::pair<std::string, std::string>, ConsumerOffsets::Queues> all;
  broker.offsets().visit(
      [&](std::string_view group, std::string_view topic, const ConsumerOffsets::Queues& queues) {
        all.emplace(std::pair(std::string(topic), std::string(group)), queues);
      });
  const std::int64_t now = broker.clock().now_ms();
  for (const auto& [names, queues] : all) {
    Lag lag;
    for (const auto& [queue, offset] : queues) {
      const auto end = broker.store().max_offset(names.first, queue);
      if (!end || *end <= offset) continue;
      lag.messages += *end - offset;
      const auto time = broker.store().store_time(names.first, queue, offset);
      if (time && *time && (lag.oldest_ms == 0 || **time < lag.oldest_ms)) lag.oldest_ms = **time;
    }
    const Labels labels = group_labels(broker.topics(), names.first, names.second);
    text.add("rocketmq_consumer_lag_messages", labels, lag.messages);
    text.add("rocketmq_consumer_lag_latency", labels,
             lag.oldest_ms == 0 ? 0 : std::max<std::int64_t>(0, now - lag.oldest_ms));
  }
}

std::string language_text(wire::LanguageCode language) {
  const json::Value name = language_json(language);
  std::string text = name.if_string() == nullptr ? "unknown" : *name.if_string();
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

void add_connections(Broker& broker, Text& text) {
  ClientTables* clients = broker.clients();
  if (clients == nullptr) return;
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> producers;
  for (const auto& [group, members] : clients->producers().all())
    for (const Client& client : members) ++producers[{language_text(client.language), client.version}];
  for (const auto& [what, count] : producers)
    text.add(
        "rocketmq_producer_connections",
        {{"language", what.first}, {"version", std::to_string(what.second)}, {"protocol_type", "remoting"}},
        count);
  for (const SubscriptionGroupPtr& group : broker.groups().all()) {
    const auto members = clients->consumers().group(group->name);
    if (!members) continue;
    std::map<std::pair<std::string, std::int32_t>, std::int64_t> consumers;
    for (const Client& client : members->clients)
      ++consumers[{language_text(client.language), client.version}];
    for (const auto& [what, count] : consumers)
      text.add("rocketmq_consumer_connections",
               {{"consumer_group", group->name},
                {"language", what.first},
                {"version", std::to_string(what.second)},
                {"protocol_type", "remoting"},
                {"is_system", flag_text(is_system_group(group->name))}},
               count);
  }
}

void add_store(Broker& broker, Text& text) {
  engine::MessageStore& store = broker.store();
  const Labels where{{"storage_type", "local"}, {"storage_medium", "disk"}};
  const std::int64_t written = store.log().written();
  text.add("rocketmq_storage_size", where, written - store.log().begin());
  text.add("rocketmq_storage_flush_behind_bytes", where, written - store.log().durable());
  text.add("rocketmq_storage_dispatch_behind_bytes", where, store.dispatch_behind());
  const auto earliest = store.earliest_store_time();
  const std::int64_t kept = earliest && *earliest ? broker.clock().now_ms() - **earliest : 0;
  text.add("rocketmq_storage_message_reserve_time", where, std::max<std::int64_t>(0, kept));
  text.add("rmq_store_writable", {}, store.why_not_writable().empty() ? 1 : 0);
}

}  // namespace

std::string metrics_text(Broker& broker, const std::vector<std::pair<std::string_view, std::int64_t>>& more) {
  Text text(broker.config());
  text.add("rocketmq_broker_permission", {}, broker.config().number<"brokerPermission">());
  text.add("rocketmq_topic_number", {}, static_cast<std::int64_t>(broker.topics().all().size()));
  text.add("rocketmq_consumer_group_number", {}, static_cast<std::int64_t>(broker.groups().all().size()));
  add_counts(broker, text);
  add_connections(broker, text);
  add_lags(broker, text);
  add_store(broker, text);
  for (const auto& [name, value] : more) text.add(name, {}, value);
  return text.all();
}

}  // namespace rmq::broker
