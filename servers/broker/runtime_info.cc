#include "servers/broker/runtime_info.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <numeric>

#include "libstore/engine/retention.h"
#include "servers/broker/admin.h"
#include "servers/broker/admin_reply.h"
#include "servers/broker/java_text.h"

namespace rmq::broker {
namespace {

constexpr std::size_t kSamples = 601;  // StoreStatsService.MAX_RECORDS_OF_SAMPLING
constexpr std::int64_t kDayMs = 24 * 3'600'000;
constexpr std::string_view kVersionText = "V5_3_3";

constexpr std::array<std::string_view, engine::kPutTimeRanges.size() + 1> kPutTimes{
    "[<=0ms]", "[0~10ms]", "[10~50ms]", "[50~100ms]", "[100~200ms]", "[200~500ms]", "[500ms~1s]",
    "[1~2s]",  "[2~3s]",   "[3~4s]",    "[4~5s]",     "[5~10s]",     "[10s~]"};

std::string run_time(std::int64_t ms) {
  const std::int64_t seconds = ms / 1000;
  return fmt::format("[ {} days, {} hours, {} minutes, {} seconds ]", seconds / 86'400, seconds / 3600 % 24,
                     seconds / 60 % 60, seconds % 60);
}

json::Object window_bean(const StatsWindow& window) {
  json::Object bean;
  bean.set("avgpt", json::Number{java_double(window.avgpt)});
  bean.set("sum", window.sum);
  bean.set("tps", json::Number{java_double(window.tps)});
  return bean;
}

// VIEW_BROKER_STATS_DATA
wire::Response view_stats(Broker& broker, const wire::Request& request) {
  RequestFields fields(request);
  const std::string_view name = fields.text("statsName");
  const std::string_view key = fields.text("statsKey");
  if (fields.failed()) return fields.failure();
  const auto known = stats_name(name);
  const auto windows = known ? broker.stats().view(*known, key) : std::nullopt;
  if (!windows)
    return answer(ResponseCode::system_error, fmt::format("The stats <{}> <{}> not exist", name, key));
  json::Object body;
  body.set("statsDay", window_bean(windows->day));
  body.set("statsHour", window_bean(windows->hour));
  body.set("statsMinute", window_bean(windows->minute));
  return answer_json(json::Value(std::move(body)));
}

// GET_BROKER_HA_STATUS of a master without slaves.
wire::Response ha_status(Broker& broker) {
  json::Object client;
  for (const std::string_view name : {"lastReadTimestamp", "lastWriteTimestamp", "masterFlushOffset",
                                      "maxOffset", "transferredByteInSecond"})
    client.set(name, std::int64_t{0});
  json::Object body;
  body.set("haClientRuntimeInfo", std::move(client));
  body.set("haConnectionInfo", json::Array());
  body.set("inSyncSlaveNums", std::int64_t{0});
  body.set("master", true);
  body.set("masterCommitLogMaxOffset", broker.store().log().written());
  return answer_json(json::Value(std::move(body)));
}

}  // namespace

RuntimeInfo::Sample RuntimeInfo::count() const {
  const engine::StoreStatistics statistics = broker_.store().statistics();
  Sample sample;
  sample.at_ms = broker_.clock().now_ms();
  sample.puts = statistics.messages_put;
  sample.bytes = statistics.bytes_put;
  sample.found = statistics.gets_found;
  sample.missed = statistics.gets_missed;
  sample.transferred = statistics.messages_got;
  return sample;
}

void RuntimeInfo::sample() {
  const Sample now = count();
  const std::int64_t day = engine::local_time_ms(now.at_ms) / kDayMs;
  const std::lock_guard lock(mutex_);
  samples_.push_back(now);
  if (samples_.size() > kSamples) samples_.pop_front();
  if (day != day_ && day_ != 0) {
    puts_ = {puts_.today, now.puts};
    gets_ = {gets_.today, now.transferred};
  }
  day_ = day;
}

std::string RuntimeInfo::rates(std::int64_t Sample::* first, std::int64_t Sample::* second) const {
  std::string text;
  for (const std::size_t seconds : {10U, 60U, 600U}) {
    if (!text.empty() || seconds > 10) text += ' ';
    if (samples_.size() <= seconds) continue;
    const Sample& last = samples_.back();
    const Sample& before = samples_[samples_.size() - (seconds + 1)];
    std::int64_t counted = last.*first - before.*first;
    if (second != nullptr) counted += last.*second - before.*second;
    const std::int64_t time = std::max<std::int64_t>(1, last.at_ms - before.at_ms);
    text += java_double(static_cast<double>(counted) * 1000.0 / static_cast<double>(time));
  }
  return text;
}

void RuntimeInfo::add_store(std::map<std::string, std::string>& into) {
  engine::MessageStore& store = broker_.store();
  const engine::StoreStatistics statistics = store.statistics();
  const Sample now = count();
  const std::int64_t times = std::max<std::int64_t>(1, now.puts);
  into["bootTimestamp"] = std::to_string(broker_.started_ms());
  into["runtime"] = run_time(now.at_ms - broker_.started_ms());
  into["putMessageEntireTimeMax"] = std::to_string(statistics.longest_put_ms);
  into["putMessageTimesTotal"] = std::to_string(times);
  into["putMessageFailedTimes"] = std::to_string(statistics.puts_failed);
  into["putMessageSizeTotal"] = std::to_string(now.bytes);
  into["putMessageAverageSize"] = java_double(static_cast<double>(now.bytes) / static_cast<double>(times));
  std::string distribution;
  for (std::size_t range = 0; range < kPutTimes.size(); ++range)
    distribution += fmt::format("{}:{} ", kPutTimes[range], statistics.puts_by_time[range]);
  into["putMessageDistributeTime"] = distribution;
  into["dispatchMaxBuffer"] = "0";
  into["getMessageEntireTimeMax"] = "0";
  // The engine counts its puts by ranges; the upper end of the range stands for all of it.
  const auto latency = [&](double share) {
    const std::int64_t all =
        std::accumulate(statistics.puts_by_time.begin(), statistics.puts_by_time.end(), std::int64_t{0});
    std::int64_t passed = 0;
    for (std::size_t range = 0; all > 0 && range < engine::kPutTimeRanges.size(); ++range) {
      passed += statistics.puts_by_time[range];
      if (static_cast<double>(passed) >= share * static_cast<double>(all))
        return fmt::format("{:.2f}", static_cast<double>(engine::kPutTimeRanges[range]));
    }
    return fmt::format("{:.2f}", static_cast<double>(statistics.longest_put_ms));
  };
  into["putLatency99"] = latency(0.99);
  into["putLatency999"] = latency(0.999);
  {
    const std::lock_guard lock(mutex_);
    into["putTps"] = rates(&Sample::puts);
    into["getFoundTps"] = rates(&Sample::found);
    into["getMissTps"] = rates(&Sample::missed);
    into["getTotalTps"] = rates(&Sample::found, &Sample::missed);
    // 5.x and 4.x: consoles of either read their own.
    into["getTransferredTps"] = into["getTransferedTps"] = rates(&Sample::transferred);
    into["msgPutTotalYesterdayMorning"] = std::to_string(puts_.yesterday);
    into["msgPutTotalTodayMorning"] = std::to_string(puts_.today);
    into["msgGetTotalYesterdayMorning"] = std::to_string(gets_.yesterday);
    into["msgGetTotalTodayMorning"] = std::to_string(gets_.today);
  }
  into["msgPutTotalTodayNow"] = std::to_string(now.puts);
  into["msgGetTotalTodayNow"] = std::to_string(now.transferred);
  into["commitLogMinOffset"] = std::to_string(store.log().begin());
  into["commitLogMaxOffset"] = std::to_string(store.log().written());
  into["dispatchBehindBytes"] = std::to_string(store.dispatch_behind());
  into["pageCacheLockTimeMills"] = "0";
  const auto earliest = store.earliest_store_time();
  into["earliestMessageTimeStamp"] = std::to_string(earliest && *earliest ? **earliest : -1);
  into["remainTransientStoreBufferNumbs"] = "2147483647";
  into["remainHowManyDataToFlush"] = readable_bytes(store.log().written() - store.log().durable());
}

void RuntimeInfo::add_disks(std::map<std::string, std::string>& into) {
  const auto used = [&](const std::string& directory) {
    const auto space = broker_.files().space(directory);
    if (!space) return -1.0;
    return static_cast<double>(engine::used_percent(space->used, space->free)) / 100.0;
  };
  double least = 1.0;
  for (const std::string& directory : broker_.store().log().directories()) {
    const double ratio = used(directory);
    into["commitLogDiskRatio_" + directory] = java_double(ratio);
    least = std::min(least, ratio);
  }
  into["commitLogDiskRatio"] = java_double(least);
  const std::string root = broker_.config().text<"storePathRootDir">();
  into["consumeQueueDiskRatio"] = java_double(used(root));
  if (const auto space = broker_.files().space(root))
    into["commitLogDirCapacity"] = fmt::format("Total : {}, Free : {}.", readable_bytes(space->total),
                                               readable_bytes(space->total - space->used));
}

void RuntimeInfo::add_queues(std::map<std::string, std::string>& into) {
  const BrokerConfig& config = broker_.config();
  // There are no thread pools with queues in front of them: nothing waits in one.
  for (const std::string_view pool : {"send", "pull", "litePull", "query", "ack"}) {
    into[std::string(pool) + "ThreadPoolQueueSize"] = "0";
    into[std::string(pool) + "ThreadPoolQueueHeadWaitTimeMills"] = "0";
  }
  into["sendThreadPoolQueueCapacity"] = std::to_string(config.number<"sendThreadPoolQueueCapacity">());
  into["pullThreadPoolQueueCapacity"] = std::to_string(config.number<"pullThreadPoolQueueCapacity">());
  into["litePullThreadPoolQueueCapacity"] =
      std::to_string(config.number<"litePullThreadPoolQueueCapacity">());
  into["queryThreadPoolQueueCapacity"] = std::to_string(config.number<"queryThreadPoolQueueCapacity">());
  into["ackThreadPoolQueueCapacity"] = std::to_string(config.number<"ackThreadPoolQueueCapacity">());
  into["EndTransactionQueueSize"] = "0";
  into["EndTransactionThreadPoolQueueCapacity"] =
      std::to_string(config.number<"endTransactionPoolQueueCapacity">());
}

std::map<std::string, std::string> RuntimeInfo::table() {
  std::map<std::string, std::string> table;
  add_store(table);
  add_disks(table);
  add_queues(table);
  table["brokerActive"] = "true";
  table["brokerVersion"] = std::to_string(wire::kVersion);
  table["brokerVersionDesc"] = kVersionText;
  table["startAcceptSendRequestTimeStamp"] =
      std::to_string(broker_.config().number<"startAcceptSendRequestTimeStamp">());
  for (const std::string_view name : {"timerReadBehind", "timerOffsetBehind", "timerCongestNum"})
    table[std::string(name)] = "0";
  table["timerEnqueueTps"] = table["timerDequeueTps"] = "0.0";
  for (auto& [name, value] : broker_.runtime_info_of_parts()) table.insert_or_assign(name, value);
  return table;
}

void add_runtime_info(Broker& broker) {
  auto info = std::make_shared<RuntimeInfo>(broker);
  broker.on_start([&broker, info]() -> Status {
    using Milliseconds = Scheduler::Milliseconds;
    broker.scheduler().every(Milliseconds(0), Milliseconds(1000), [info] { info->sample(); });
    return {};
  });
  broker.add(RequestCode::get_broker_runtime_info, [info](const wire::Request&, wire::Responder responder) {
    json::Object table;
    for (const auto& [name, value] : info->table()) table.set(name, value);
    json::Object body;
    body.set("table", std::move(table));
    responder.send(answer_json(json::Value(std::move(body))));
  });
  broker.add(RequestCode::view_broker_stats_data,
             [&broker](const wire::Request& request, wire::Responder responder) {
               responder.send(view_stats(broker, request));
             });
  // What stock says where the timer wheel is off.
  broker.add(RequestCode::get_timer_check_point, [](const wire::Request&, wire::Responder responder) {
    responder.send(answer(ResponseCode::system_error, "The checkpoint is null"));
  });
  broker.add(RequestCode::get_timer_metrics, [](const wire::Request&, wire::Responder responder) {
    responder.send(answer(ResponseCode::system_error, "The timer message store is null"));
  });
  broker.add(RequestCode::get_broker_ha_status, [&broker](const wire::Request&, wire::Responder responder) {
    responder.send(ha_status(broker));
  });
}

}  // namespace rmq::broker
