#include "servers/broker/delay_service.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>

#include "servers/broker/delayed_message.h"

namespace rmq::broker {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kAfterFailedPutMs = 100;  // DELAY_FOR_A_WHILE
constexpr std::int64_t kAfterErrorMs = 10'000;   // DELAY_FOR_A_PERIOD
constexpr std::int32_t kBatch = 256;             // messages that are put in one go
constexpr std::string_view kHalfTopicName = "RMQ_SYS_TRANS_HALF_TOPIC";

bool is_illegal(engine::PutStatus status) {
  return status == engine::PutStatus::message_illegal ||
         status == engine::PutStatus::properties_size_exceeded;
}

}  // namespace

DelayService::DelayService(engine::MessageStore& store, io::FileSystem& files, const std::string& directory,
                           const engine::Clock& clock, Options options)
    : store_(store),
      clock_(clock),
      options_(std::move(options)),
      file_(files, directory, format::ConfigFileKind::delay_offsets),
      levels_(static_cast<std::size_t>(options_.levels.max_level())),
      others_(format::new_config(format::config_file(format::ConfigFileKind::delay_offsets))) {
  for (std::size_t at = 0; at != levels_.size(); ++at)
    levels_[at].delay_ms = options_.levels.deliver_timestamp(static_cast<std::int32_t>(at) + 1, 0);
  version_.timestamp = clock_.now_ms();
}

Status DelayService::load() {
  RMQ_TRY(value, file_.load());
  if (value.if_object() == nullptr) return {};
  auto offsets = format::read_delay_offsets(value);
  if (!offsets) return wrong_use(file_.path() + ": " + offsets.error().message());
  const std::lock_guard lock(mutex_);
  others_ = std::move(value);
  version_ = format::read_data_version(others_).value_or(version_);
  for (const format::DelayOffset& stored : *offsets) {
    if (stored.level < 1 || stored.level > options_.levels.max_level()) continue;
    Level& level = levels_[static_cast<std::size_t>(stored.level - 1)];
    const std::int32_t queue = queue_of_delay_level(stored.level);
    const std::int64_t least = store_.min_offset(format::kScheduleTopic, queue).value_or(0);
    const std::int64_t most = store_.max_offset(format::kScheduleTopic, queue).value_or(0);
    level.offset = std::clamp(stored.offset, least, std::max(least, most));
    level.known = true;
    if (level.offset == stored.offset) continue;
    dirty_ = true;
    if (options_.warn)
      options_.warn("delay level " + std::to_string(stored.level) + " was delivered up to " +
                    std::to_string(stored.offset) + " says " + file_.path() + ", its queue has " +
                    std::to_string(least) + " to " + std::to_string(most) + ": it goes on at " +
                    std::to_string(level.offset));
  }
  return {};
}

void DelayService::warn(std::int32_t level, std::int64_t offset, const std::string& what) {
  Level& at = levels_[static_cast<std::size_t>(level - 1)];
  if (std::exchange(at.warned, offset) == offset || !options_.warn) return;
  options_.warn("delayed message " + std::to_string(offset) + " of level " + std::to_string(level) + ": " +
                what);
}

// A time that lies further ahead than the level's delay was looked up before the clock was set back.
bool DelayService::is_due(std::int64_t look_at, std::int64_t delay_ms) const {
  if (look_at == kNever) return false;
  const std::int64_t now = clock_.now_ms();
  return look_at <= now || look_at - now > std::max(delay_ms, kAfterErrorMs);
}

std::optional<std::int64_t> DelayService::step() {
  std::int64_t next = kNever;
  for (std::size_t at = 0; at != levels_.size(); ++at) {
    Level& level = levels_[at];
    std::uint64_t arrivals = 0;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return std::nullopt;
      if (!is_due(level.look_at, level.delay_ms)) {
        next = std::min(next, level.look_at);
        continue;
      }
      arrivals = level.arrivals;
    }
    const auto number = static_cast<std::int32_t>(at) + 1;
    note(number, arrivals, look(number));
    const std::lock_guard lock(mutex_);
    next = std::min(next, level.look_at);
  }
  if (next == kNever) return std::nullopt;
  return next;
}

DelayService::Found DelayService::look(std::int32_t number) {
  using engine::GetStatus;
  const Level& level = levels_[static_cast<std::size_t>(number - 1)];
  const std::int64_t now = clock_.now_ms();
  std::int64_t due = 0;  // units from level.offset on
  std::optional<std::int64_t> waits_until;
  const engine::GetOptions options{
      .max_messages = kBatch,
      .wants =
          [&](std::int64_t deliver_at) {
            const bool corrected =
                deliver_at > now + level.delay_ms;  // the clock was ahead when it was stored
            if (!waits_until && !corrected && deliver_at > now) waits_until = deliver_at;
            if (!waits_until) ++due;
            return !waits_until.has_value();
          },
  };
  const auto got = store_.get(format::kScheduleTopic, queue_of_delay_level(number), level.offset, options);
  if (!got) {
    warn(number, level.offset, got.error().message());
    return {level.offset, now + kAfterErrorMs};
  }
  switch (got->status) {
    case GetStatus::no_matched_logic_queue: return {0, kNever};
    case GetStatus::no_message_in_queue:
    case GetStatus::offset_overflow_one:
    case GetStatus::offset_overflow_badly: return {got->max_offset, kNever};
    case GetStatus::offset_too_small: return {got->min_offset, 0};
    case GetStatus::offset_found_null: return {level.offset, now + kAfterFailedPutMs};
    case GetStatus::found:
    case GetStatus::no_matched_message:
    case GetStatus::message_was_removing: break;
  }
  if (const auto failed = deliver(number, *got)) return {*failed, now + kAfterFailedPutMs};
  return {level.offset + due, waits_until.value_or(0)};
}

std::optional<std::int64_t> DelayService::deliver(std::int32_t number, const engine::GetResult& got) {
  Level& level = levels_[static_cast<std::size_t>(number - 1)];
  std::vector<Destination> destinations;
  std::vector<format::MessageView> views;
  std::vector<std::int64_t> offsets;
  destinations.reserve(got.messages.size());  // the views borrow from them
  for (const auto& message : got.messages) {
    if (level.ahead.contains(message.queue_offset)) continue;
    auto view = format::MessageView::parse(std::span(got.bytes).subspan(message.position, message.size));
    auto destination = view ? due(*view) : std::nullopt;
    if (!destination || destination->topic == kHalfTopicName) {
      warn(number, message.queue_offset, "does not say where it belongs, and is not delivered");
      continue;
    }
    destinations.push_back(*std::move(destination));
    view->topic = destinations.back().topic;
    view->queue_id = destinations.back().queue_id;
    view->properties = destinations.back().properties;
    view->prepared_transaction_offset = 0;
    views.push_back(*view);
    offsets.push_back(message.queue_offset);
  }
  std::vector<engine::PutResult> results(views.size());
  store_.put(views, results);
  // The store takes all or none; one that it does not take must not hold up the others.
  if (std::ranges::any_of(results, [](const engine::PutResult& result) { return is_illegal(result.status); }))
    for (std::size_t at = 0; at != views.size(); ++at)
      if (!results[at].ok()) results[at] = store_.put(views[at]);
  std::optional<std::int64_t> failed;
  for (std::size_t at = 0; at != results.size(); ++at) {
    if (results[at].ok()) {
      level.ahead.insert(offsets[at]);
      if (options_.delivered) options_.delivered(number, destinations[at].topic, results[at].size);
    } else if (!failed) {
      failed = offsets[at];
      warn(number, offsets[at], std::string(engine::to_string(results[at].status)));
    }
  }
  if (failed)
    level.ahead.erase(level.ahead.begin(), level.ahead.lower_bound(*failed));
  else
    level.ahead.clear();
  return failed;
}

void DelayService::note(std::int32_t number, std::uint64_t arrivals_before, const Found& found) {
  const std::lock_guard lock(mutex_);
  Level& level = levels_[static_cast<std::size_t>(number - 1)];
  // What arrived meanwhile may not have been seen.
  level.look_at = level.arrivals == arrivals_before ? found.look_at : 0;
  const bool nothing_there = found.look_at == kNever && found.offset == 0;
  if (found.offset == level.offset && (level.known || nothing_there)) return;
  const auto step = static_cast<std::uint64_t>(std::max<std::int64_t>(options_.version_step, 1));
  const auto moved = static_cast<std::uint64_t>(std::max<std::int64_t>(found.offset - level.offset, 1));
  if ((moves_ + moved) / step != moves_ / step) {
    ++version_.counter;
    version_.timestamp = clock_.now_ms();
  }
  moves_ += moved;
  level.offset = found.offset;
  level.known = true;
  dirty_ = true;
}

void DelayService::arrived(std::span<const engine::Arrival> arrivals) {
  for (const engine::Arrival& arrival : arrivals) {
    if (arrival.topic != format::kScheduleTopic) continue;
    const std::int32_t number = delay_level_of_queue(arrival.queue_id);
    if (number < 1 || number > options_.levels.max_level()) continue;
    const std::lock_guard lock(mutex_);
    Level& level = levels_[static_cast<std::size_t>(number - 1)];
    ++level.arrivals;
    level.look_at = std::min(level.look_at, arrival.tags_code);
    if (level.look_at < wakes_at_) changed_.notify_one();
  }
}

void DelayService::start() {
  const std::lock_guard lock(mutex_);
  if (!thread_.joinable() && !stopping_) thread_ = std::thread([this] { run(); });
}

void DelayService::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void DelayService::run() {
  constexpr std::int64_t kMostMs = 1000;  // so that a clock that was set is noticed
  for (;;) {
    const auto next = step();
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    std::int64_t earliest = next.value_or(kNever);
    for (const Level& level : levels_) earliest = std::min(earliest, level.look_at);  // arrived since
    const std::int64_t now = clock_.now_ms();
    if (earliest <= now) continue;
    wakes_at_ = std::min(earliest, now + kMostMs);
    changed_.wait_for(lock, std::chrono::milliseconds(wakes_at_ - now));
    wakes_at_ = 0;
  }
}

json::Value DelayService::snapshot() const {
  const std::lock_guard lock(mutex_);
  std::map<std::int32_t, std::int64_t> offsets;
  if (const auto others = format::read_delay_offsets(others_))  // of levels that are not configured any more
    for (const format::DelayOffset& other : *others) offsets[other.level] = other.offset;
  for (std::size_t at = 0; at != levels_.size(); ++at)
    if (levels_[at].known) offsets[static_cast<std::int32_t>(at) + 1] = levels_[at].offset;
  json::Object table;
  for (const auto& [level, offset] : offsets)
    table.set(std::to_string(level), offset, json::KeyForm::integer);
  json::Value value = others_;
  format::set_data_version(value, version_);
  value.if_object()->set("offsetTable", std::move(table));
  return value;
}

Status DelayService::persist() {
  const std::lock_guard save(save_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (!dirty_) return {};
    dirty_ = false;
  }
  const json::Value value = snapshot();
  Status saved = store_.flush();  // what it says is delivered must be there after a power loss, too
  if (saved) saved = file_.save(value);
  if (!saved) {
    const std::lock_guard lock(mutex_);
    dirty_ = true;
  }
  return saved;
}

std::vector<std::pair<std::string, std::string>> DelayService::runtime_info() const {
  std::vector<std::pair<std::string, std::string>> info;
  const std::lock_guard lock(mutex_);
  for (std::size_t at = 0; at != levels_.size(); ++at) {
    if (!levels_[at].known) continue;
    const auto number = static_cast<std::int32_t>(at) + 1;
    const std::int64_t end =
        store_.max_offset(format::kScheduleTopic, queue_of_delay_level(number)).value_or(0);
    info.emplace_back("scheduleMessageOffset_" + std::to_string(number),
                      std::to_string(levels_[at].offset) + ',' + std::to_string(end));
  }
  return info;
}

}  // namespace rmq::broker
