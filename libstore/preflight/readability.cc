#include "libstore/preflight/readability.h"

#include <algorithm>
#include <array>
#include <memory>

#include "libstore/bytes/java_string.h"
#include "libstore/format/sys_flag.h"

namespace rmq::preflight {
namespace {

// All windows together hold about this many units (16 bytes each), shared out among the queues.
constexpr std::size_t kWindowUnits = std::size_t{8} << 20;
constexpr std::size_t kMinWindow = 64;
constexpr std::size_t kMaxWindow = 3276;
// Beyond this many misplaced messages each unit counts, even if two lead to the same message.
constexpr std::size_t kMaxMisplaced = std::size_t{4} << 20;
// getMessage gives up this many bytes of units behind the wanted offset (maxFilterMessageSize).
constexpr std::int64_t kMaxFilterBytes = 16000;

// Whole, as far as anybody can tell: the CRC covers the body only, but no writer puts a NUL into a topic or
// into properties, and a page that never reached the disk does.
bool is_intact(const format::MessageView& record) {
  return record.topic.find('\0') == std::string_view::npos &&
         record.properties.find('\0') == std::string_view::npos && record.body_crc_matches();
}

}  // namespace

Readability::Readability(const RecoveryRules& rules, const scan::StoreSurvey& survey,
                         const TopicTable& topics, const MappedFiles<MappedFileState>& log,
                         const QueueTable& queues, FilePool& pool)
    : rules_(rules),
      survey_(survey),
      topics_(topics),
      queues_(queues),
      pool_(pool),
      reader_(rules, log, pool) {
  const std::size_t count = std::max<std::size_t>(queues.queues().size(), 1);
  window_units_ = std::clamp(kWindowUnits / count, kMinWindow, kMaxWindow);
  for (const scan::Queue& queue : survey.queues) directories_[queue.topic].insert(queue.queue_id);
}

Readability::Tally& Readability::tally_of(std::string_view topic, std::int32_t queue_id) {
  auto of_topic = tallies_.find(topic);
  if (of_topic == tallies_.end()) of_topic = tallies_.try_emplace(std::string(topic)).first;
  const auto [at, created] = of_topic->second.try_emplace(queue_id);
  if (created) {
    at->second.topic = topic;
    at->second.queue = queues_.find(java_clean_utf8(topic), queue_id);
    const auto directories = directories_.find(topic);
    at->second.had_directory = directories != directories_.end() && directories->second.contains(queue_id);
  }
  return at->second;
}

Result<void> Readability::count_messages(const io::ReadFileSystem& files) {
  for (const scan::MappedFile& entry : survey_.commit_log.files) {
    auto file = files.open(entry.path);
    if (!file) return std::move(file).error();
    const auto index = reader_.file_of(entry.path);
    scan::CommitLogWalker::Options options;
    options.records_start = entry.start;
    options.file_size = survey_.commit_log.file_size;
    scan::CommitLogWalker walker(**file, options);
    while (const auto item = walker.next()) {
      pool_.account(item->length);
      if (pool_.fault()) return *pool_.fault();
      if (item->kind != scan::LogItemKind::record) continue;
      const LogPlace place{index.value_or(0), item->position};
      book(item->message, index ? &place : nullptr, wrap_add(entry.start, item->position));
    }
  }
  return {};
}

void Readability::book(const format::MessageView& record, const LogPlace* place,
                       std::int64_t physical_offset) {
  if (record.physical_offset != physical_offset || !format::enters_consume_queue(record.sys_flag)) return;
  Tally& tally = tally_of(record.topic, record.queue_id);
  const bool home = readable_ && place != nullptr && leads_home(tally, record, *place);
  if (home) ++tally.matched;
  // What is damaged is delivered like anything else, but it is nothing that could be lost.
  if (!is_intact(record) || is_deleted(record.topic)) return;
  tally.last_physical_offset = physical_offset;
  const std::int64_t offset = record.queue_offset;
  if (offset == 0 && tally.last_offset > 0) {
    if (!home) {
      tally.pending_restart = physical_offset;
      return;
    }
    tally.generation_start = physical_offset;
    tally.missed = 0;
  } else if (tally.pending_restart >= 0) {
    const std::int64_t first = std::exchange(tally.pending_restart, -1);
    if (offset == 1) {
      tally.generation_start = first;
      tally.missed = 0;
    }
    miss(tally, first);
  }
  tally.last_offset = offset;
  if (!home) miss(tally, physical_offset);
}

void Readability::miss(Tally& tally, std::int64_t physical_offset) {
  ++tally.missed;
  if (examples_.size() < 2 * kMaxLostExamples) examples_.push_back({physical_offset, &tally});
}

std::optional<QueueUnit> Readability::unit_at(Tally& tally, std::int64_t queue_offset) {
  if (tally.queue == nullptr || queue_offset < tally.queue->min_offset() ||
      queue_offset >= tally.queue->max_offset() || queue_offset < 0) {
    return std::nullopt;
  }
  if (const BatchQueue* batch = tally.queue->batch()) {
    const auto place = batch->find(queue_offset, pool_);
    if (!place) return std::nullopt;
    const auto entry = batch->entry_at(*place, pool_);
    return QueueUnit{entry.commit_log_offset, entry.size};
  }
  const std::int64_t at = queue_offset - tally.window_start;
  if (at < 0 || at >= static_cast<std::int64_t>(tally.window.size())) {
    tally.window.resize(window_units_);
    tally.window_start = queue_offset;
    tally.window.resize(tally.queue->simple()->read_from(queue_offset, tally.window, rules_, pool_));
    if (tally.window.empty()) return std::nullopt;
    return tally.window.front();
  }
  return tally.window[static_cast<std::size_t>(at)];
}

bool Readability::leads_home(Tally& tally, const format::MessageView& record, const LogPlace& place) {
  const auto unit = unit_at(tally, record.queue_offset);
  if (!unit || unit->offset != record.physical_offset) return false;
  const auto found = reader_.select(*unit);
  if (found != place) return false;
  return unit->size == record.total_size ? reader_.decodes(record) : reader_.decodes(*found, unit->size);
}

bool Readability::is_live(const Tally& tally, std::int64_t physical_offset) {
  return physical_offset >= tally.generation_start;
}

// A deleted topic has no queue directory (while others have) and no entry in topics.json.
bool Readability::is_deleted(std::string_view topic) const {
  return !directories_.empty() && !directories_.contains(topic) && topics_.is_deleted(topic);
}

// A topic that was deleted and created again may have got fewer queues: those that have no directory, and no
// record since a sister began anew, went with the deletion.
void Readability::drop_deleted_queues() {
  for (auto& [topic, of_topic] : tallies_) {
    std::int64_t latest_start = -1;
    for (const auto& [queue_id, tally] : of_topic)
      latest_start = std::max(latest_start, tally.generation_start);
    for (auto& [queue_id, tally] : of_topic) {
      if (tally.had_directory || tally.last_physical_offset >= latest_start) continue;
      tally.generation_start = latest_start;
      tally.missed = 0;
    }
  }
}

void Readability::look_for_misplaced(const LogPlace& place) {
  const auto record = reader_.intact_record(place);
  if (!record || !format::enters_consume_queue(record->message.sys_flag)) return;
  const auto of_topic = tallies_.find(record->message.topic);
  if (of_topic == tallies_.end()) return;
  const auto found = of_topic->second.find(record->message.queue_id);
  if (found == of_topic->second.end() || !is_live(found->second, record->physical_offset)) return;
  if (!is_intact(record->message) || is_deleted(record->message.topic)) return;
  if (leads_home(found->second, record->message, place)) return;
  if (misplaced_.size() < kMaxMisplaced) misplaced_.insert(record->physical_offset);
}

std::int64_t Readability::count_simple(Tally& tally) {
  const SimpleQueue& queue = *tally.queue->simple();
  const std::int64_t begin = std::max<std::int64_t>(0, queue.min_offset());
  const std::int64_t end = queue.max_offset();
  if (tally.matched == end - begin) return tally.matched;
  std::int64_t readable = 0;
  std::vector<QueueUnit> block(kMaxWindow);
  for (std::int64_t offset = begin; offset < end && !pool_.fault();) {
    const std::size_t count = queue.read_from(offset, block, rules_, pool_);
    if (count == 0) {
      offset = queue.skip_hole(offset);
      continue;
    }
    for (std::size_t i = 0; i < count && offset < end; ++i, ++offset) {
      const auto place = reader_.select(block[i]);
      if (!place || !reader_.decodes(*place, block[i].size)) continue;
      ++readable;
      look_for_misplaced(*place);
    }
  }
  return readable;
}

std::int64_t Readability::count_batch(const BatchQueue& queue) {
  std::int64_t readable = 0;
  const std::int64_t end = queue.max_offset();
  for (std::int64_t offset = std::max<std::int64_t>(0, queue.min_offset()); offset < end && !pool_.fault();) {
    const auto begin = queue.find(offset, pool_);
    bool found = false;
    // The first unit whose message the broker finds is the answer, whatever its base.
    for (auto at = begin; at && at->unit < queue.units_in(at->file); ++at->unit) {
      const auto entry = queue.entry_at(*at, pool_);
      if (wrap_add(entry.base_offset, -offset) >= kMaxFilterBytes / BatchQueue::kUnit) break;
      const auto place = reader_.select({entry.commit_log_offset, entry.size});
      if (!place) continue;
      found = reader_.decodes(*place, entry.size);
      if (found) look_for_misplaced(*place);
      break;
    }
    const std::int64_t next = queue.next_offset(offset, begin, pool_);
    if (found) readable += next - offset;
    offset = next;
  }
  return readable;
}

void Readability::count_queues(Preflight& into) {
  for (auto& [topic, of_topic] : tallies_) {
    for (auto& [queue_id, tally] : of_topic) {
      if (tally.pending_restart >= 0) miss(tally, std::exchange(tally.pending_restart, -1));
    }
  }
  drop_deleted_queues();
  if (readable_) {
    for (const auto& queue : queues_.queues()) {
      Tally& tally = tally_of(queue->topic, queue->queue_id);
      tally.queue = queue.get();
      QueueForecast forecast{queue->topic, queue->queue_id, queue->min_offset(), queue->max_offset(), 0};
      forecast.readable = queue->batch() != nullptr ? count_batch(*queue->batch()) : count_simple(tally);
      into.queues.push_back(std::move(forecast));
    }
  }
  std::ranges::sort(into.queues, [](const QueueForecast& a, const QueueForecast& b) {
    return std::tie(a.topic, a.queue_id) < std::tie(b.topic, b.queue_id);
  });
  std::int64_t missed = 0;
  for (const auto& [topic, of_topic] : tallies_) {
    for (const auto& [queue_id, tally] : of_topic) missed += tally.missed;
  }
  into.misplaced = static_cast<std::int64_t>(misplaced_.size());
  into.messages_lost = missed - into.misplaced;
  for (const Example& example : examples_) {
    if (is_live(*example.tally, example.physical_offset))
      into.lost_examples.push_back(example.physical_offset);
  }
  std::ranges::sort(into.lost_examples);
  if (into.lost_examples.size() > kMaxLostExamples) into.lost_examples.resize(kMaxLostExamples);
}

}  // namespace rmq::preflight
