#include "servers/broker/store_notes.h"

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

#include "libstore/bytes/big_endian.h"
#include "libstore/format/timer_checkpoint.h"
#include "libstore/json/json_value.h"
#include "servers/broker/broker.h"

namespace rmq::broker {
namespace {

constexpr std::string_view kTransactionGroup = "CID_RMQ_SYS_TRANS";

// Half messages that nobody has looked at since: some may be committed or rolled back, nobody knows which.
std::int64_t half_messages(Broker& broker) {
  const std::int64_t end = broker.store().max_offset(kHalfTopic, 0).value_or(0);
  return end - broker.offsets().query(kTransactionGroup, kHalfTopic, 0).value_or(0);
}

// Timer messages in the wheel, by timermetrics, and those that are not even there yet.
std::int64_t timer_messages(Broker& broker) {
  constexpr std::int64_t kMostBytes = 16 << 20;
  std::int64_t waiting = 0;
  const std::string directory = broker.config_directory() + '/';
  if (const auto bytes = io::read_all(broker.files(), directory + "timermetrics", kMostBytes)) {
    const auto file = json::parse(as_text(*bytes));
    const json::Value* counts = file ? file->find("timingCount") : nullptr;
    if (counts != nullptr && counts->if_object() != nullptr) {
      for (const json::Member& member : counts->if_object()->members())
        if (const json::Value* count = member.value.find("count")) waiting += count->as_int64().value_or(0);
    }
  }
  std::int64_t read = 0;
  if (const auto bytes = io::read_all(broker.files(), directory + "timercheck", kMostBytes))
    read = format::TimerCheckpoint::read(*bytes).last_queue_offset;
  const std::int64_t end = broker.store().max_offset(kTimerTopic, 0).value_or(0);
  return waiting + (end > read ? end - read : 0);
}

}  // namespace

std::vector<std::string> store_notes(Broker& broker) {
  std::vector<std::string> notes;
  if (const std::int64_t half = half_messages(broker); half > 0)
    notes.push_back(
        fmt::format("up to {} half messages of transactions wait in {}: transactions are not supported "
                    "yet, so nobody is asked about them; they stay for a stock broker",
                    half, kHalfTopic));
  if (const std::int64_t timers = timer_messages(broker); timers > 0)
    notes.push_back(
        fmt::format("{} timer messages wait in the store: they are not supported yet and will not be "
                    "delivered by this broker; they stay for a stock broker",
                    timers));
  return notes;
}

}  // namespace rmq::broker
