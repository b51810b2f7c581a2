// What a broker counts, as Prometheus reads it: RocketMQ 5.x's names and labels where it has them. RocketMQ:
// BrokerMetricsManager, DefaultStoreMetricsManager. The page docs/servers/metrics.md is made of kMetrics.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rmq::broker {

class Broker;

struct Metric {
  std::string_view name;
  std::string_view type;    // counter or gauge
  std::string_view labels;  // besides cluster, node_type and node_id, which all have
  std::string_view meaning;
  bool of_rocketmq;
};

inline constexpr std::array<Metric, 19> kMetrics{{
    {"rocketmq_broker_permission", "gauge", "", "bits 4 read and 2 write", true},
    {"rocketmq_topic_number", "gauge", "", "topics, those of the system too", true},
    {"rocketmq_consumer_group_number", "gauge", "", "consumer groups that are known", true},
    {"rocketmq_messages_in_total", "counter", "topic, is_system", "messages stored since the start", true},
    {"rocketmq_messages_out_total", "counter", "topic, consumer_group, is_retry, is_system",
     "messages given to consumers since the start", true},
    {"rocketmq_throughput_in_total", "counter", "topic, is_system", "bytes stored since the start", true},
    {"rocketmq_throughput_out_total", "counter", "topic, consumer_group, is_retry, is_system",
     "bytes given to consumers since the start", true},
    {"rocketmq_send_to_dlq_messages_total", "counter", "topic, consumer_group",
     "messages that were put aside after all retries, since the start", true},
    {"rocketmq_producer_connections", "gauge", "language, version", "producers that are connected", true},
    {"rocketmq_consumer_connections", "gauge", "consumer_group, language, version",
     "consumers that are connected", true},
    {"rocketmq_consumer_lag_messages", "gauge", "topic, consumer_group, is_retry, is_system",
     "messages behind a group's committed offsets", true},
    {"rocketmq_consumer_lag_latency", "gauge", "topic, consumer_group, is_retry, is_system",
     "ms since the first of them was stored; 0 where there is none", true},
    {"rocketmq_storage_size", "gauge", "storage_type, storage_medium", "bytes of the commit log", true},
    {"rocketmq_storage_flush_behind_bytes", "gauge", "storage_type, storage_medium",
     "bytes of the commit log that are not synced yet", true},
    {"rocketmq_storage_dispatch_behind_bytes", "gauge", "storage_type, storage_medium",
     "bytes of the commit log that are in no queue yet", true},
    {"rocketmq_storage_message_reserve_time", "gauge", "storage_type, storage_medium",
     "ms since the oldest message was stored", true},
    {"rmq_store_writable", "gauge", "", "1; 0 while messages are refused (disk full, failed sync)", false},
    {"rmq_connections", "gauge", "", "open connections", false},
    {"rmq_connection_memory_bytes", "gauge", "", "unfinished requests and unsent answers", false},
}};

// The exposition format, version 0.0.4. `more` are values that others count, by names of the table.
[[nodiscard]] std::string metrics_text(Broker& broker,
                                       const std::vector<std::pair<std::string_view, std::int64_t>>& more);

}  // namespace rmq::broker
