// Loads for a broker that is measured, over its own protocol: sends and pulls that are pipelined, and only
// what was answered with SUCCESS counts. One thread, epoll, prepared frames, so that the broker and not the
// load is measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/store_load.h"
#include "libstore/base/error.h"
#include "servers/wire/command.h"

namespace rmq::bench {

struct BrokerLoad {
  std::string host = "127.0.0.1";
  std::uint16_t port = 10911;
  std::string topic = "BenchTopic";
  std::int32_t queues = 4;  // used in turn
  std::int64_t messages = 1'000'000;
  double seconds = 60;  // ends earlier when this is over
  std::int32_t body_bytes = 1024;
  std::int32_t connections = 4;
  std::int32_t depth = 64;  // requests of one connection that wait for their answer
  std::int32_t batch = 1;   // messages of a request: SEND_BATCH_MESSAGE, or the most of one pull
  double rate = 0;  // requests a second, 0 for as many as go; latencies then count from when one was due
  bool wait_store = true;  // the WAIT property
  wire::SerializeType type = wire::SerializeType::json;
};

struct BrokerFigures {
  std::int64_t requests = 0;       // answered with SUCCESS
  std::int64_t messages = 0;       // in them
  std::int64_t bytes = 0;          // of bodies sent, or of records pulled
  std::int64_t refused = 0;        // answered with something else
  std::int32_t first_refusal = 0;  // its code
  std::string first_remark;
  double seconds = 0;
  double load_cpu_seconds = 0;  // of this process
  Latencies latencies;          // of a request
};

[[nodiscard]] Result<BrokerFigures> send_to_broker(const BrokerLoad& load);

// Pulls what is in the topic, each queue from its beginning to its end and then again.
[[nodiscard]] Result<BrokerFigures> pull_from_broker(const BrokerLoad& load);

// One message at a time into queue 0 while a pull is held there; the latencies are from before the send until
// the pull is answered.
[[nodiscard]] Result<BrokerFigures> send_to_held_pull(const BrokerLoad& load);

// User and system time of another process.
[[nodiscard]] Result<double> cpu_seconds_of(std::int64_t pid);
// Anonymous memory of another process, in bytes.
[[nodiscard]] Result<std::int64_t> rss_anon_of(std::int64_t pid);

}  // namespace rmq::bench
