#include "libstore/reindex/harvest.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <limits>
#include <new>
#include <set>
#include <utility>

#include "libstore/base/saturate.h"
#include "libstore/format/batch_consume_queue_entry.h"
#include "libstore/format/consume_queue_entry.h"

namespace rmq::reindex {
namespace {

constexpr std::size_t kLargestChunk = 64 << 10;  // bytes of units or keys
constexpr std::size_t kSmallestChunk = 8 * format::kConsumeQueueEntrySize;
constexpr std::size_t kSpillBuffer = 1 << 20;
constexpr std::size_t kFirstSlots = 64;
constexpr std::int64_t kProgressStep = 4 << 20;
constexpr std::int64_t kLargestPosition = std::int64_t{1} << 60;  // as QueueWriter has it

// A run of units, or of keys. The bytes follow.
struct Chunk {
  Chunk* next = nullptr;
  std::int64_t first = 0;
  std::int64_t last_timestamp = 0;
  std::uint32_t used = 0;
  std::uint32_t capacity = 0;
  bool compact = false;  // StoredUnit instead of units as they lie in a queue file

  [[nodiscard]] std::byte* bytes() { return static_cast<std::byte*>(static_cast<void*>(this + 1)); }
  [[nodiscard]] const std::byte* bytes() const {
    return static_cast<const std::byte*>(static_cast<const void*>(this + 1));
  }
};

// A chunk in a spill file, in front of its bytes.
struct SpilledChunk {
  std::int64_t first = 0;
  std::int64_t last_timestamp = 0;
  std::uint32_t used = 0;
  std::uint32_t compact = 0;
};

// Fresh memory costs more than what is written to it: most units and all keys are held in twelve bytes each.
struct StoredUnit {
  std::uint32_t offset_in_part = 0;
  std::int32_t size = 0;
  std::int32_t tags_code = 0;
};
struct StoredKey {
  std::uint32_t hash = 0;
  std::uint32_t offset_in_part = 0;
  std::int32_t after = 0;  // milliseconds since the store time that the chunk's `first` is
};

bool fits_32_bits(std::int64_t number) {
  return number >= std::numeric_limits<std::int32_t>::min() &&
         number <= std::numeric_limits<std::int32_t>::max();
}

bool is_file_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

}  // namespace

// What one worker has of one queue, or of the keys, from one stretch of one part.
struct Harvest::Extent {
  std::size_t part = 0;
  std::uint32_t lane = 0;
  std::int64_t part_start = 0;
  std::int64_t count = 0;  // keys only
  std::int64_t bytes = 0;
  const Chunk* chain = nullptr;  // nothing: it is in the file
  std::int64_t spill_position = 0;
  std::int64_t spill_bytes = 0;
  const io::ReadFile* spill = nullptr;
};

class Harvest::Worker final : public recovery::RecordTap {
 public:
  Worker(io::FileSystem& files, const HarvestOptions& options, std::string spill_path)
      : files_(files), options_(options), spill_path_(std::move(spill_path)), slots_(kFirstSlots) {
    const auto share =
        options.memory_limit / static_cast<std::int64_t>(std::max<std::size_t>(options.workers, 1));
    arena_size_ = std::max<std::size_t>(static_cast<std::size_t>(std::max<std::int64_t>(share, 0)), 16 << 10);
    largest_chunk_ = std::clamp<std::size_t>(arena_size_ / 64, 1 << 10, kLargestChunk);
  }

  void begin(const recovery::Plan& known) {
    batch_topics_ = known.batch_topics;
    lanes_.clear();
    last_ = nullptr;
    slots_.assign(kFirstSlots, kNoLane);
    extents_.clear();
    key_lane_ = {};
    touched_.clear();
    used_ = 0;
    spill_end_ = 0;
    messages_ = unusable_ = 0;
    last_message_ = -1;
    status_ = Status();
  }

  void begin_part(std::size_t part, std::int64_t start) {
    part_ = part;
    part_start_ = start;
    told_ = start;
  }
  void end_part() { close_extents(); }

  void take(const derive::DispatchRequest& request) override {
    if (!status_) return;
    ++messages_;
    if (options_.progress && request.log_offset - told_ >= kProgressStep) {
      options_.progress(request.log_offset - told_);
      told_ = request.log_offset;
    }
    last_message_ = std::max(last_message_, request.log_offset);
    if (options_.index) add_keys(request);
    if (!options_.wants_queue || !request.enters_consume_queue()) return;
    if (!is_usable(request, request.queue_id, request.queue_offset)) {
      ++unusable_;
      return;
    }
    // A batch queue knows nothing of further queues (ConsumeQueue.multiDispatchLmqQueue).
    if (Lane* const lane = lane_of(request.topic, request.queue_id)) {
      if (lane->batch) return add_batch(*lane, request);
      if (lane->wanted) add_simple(*lane, request.queue_offset, request);
    }
    if (request.multi_queues.empty()) return;
    derive::MultiQueueReader further(request);
    while (const auto multi = further.next()) {
      if (!is_usable(request, multi->queue_id, multi->queue_offset)) {
        ++unusable_;
        continue;
      }
      Lane* const lane = lane_of(multi->name, multi->queue_id);
      if (lane != nullptr && lane->wanted && !lane->batch) add_simple(*lane, multi->queue_offset, request);
    }
  }

  [[nodiscard]] const Status& status() const { return status_; }

  std::deque<Extent> extents_;  // of queues and keys
  static constexpr std::uint32_t kKeyLane = UINT32_MAX;
  std::int64_t messages_ = 0;
  std::int64_t last_message_ = -1;
  std::int64_t unusable_ = 0;
  std::int64_t spill_end_ = 0;

  struct Lane {
    recovery::QueueId id;
    bool wanted = false;
    bool batch = false;
    bool touched = false;
    Chunk* head = nullptr;
    Chunk* tail = nullptr;
    Lane* followed_by = nullptr;
    std::int64_t next = 0;  // the queue offset that goes on with the tail
    std::int64_t file_end = 0;
  };
  [[nodiscard]] const Lane& lane(std::uint32_t number) const { return lanes_[number]; }

 private:
  static constexpr std::uint32_t kNoLane = UINT32_MAX;

  static bool is_usable(const derive::DispatchRequest& request, std::int32_t queue_id,
                        std::int64_t queue_offset) {
    return queue_id >= 0 && request.size > 0 && request.log_offset >= 0 && queue_offset >= 0 &&
           queue_offset < kLargestPosition / format::kBatchConsumeQueueEntrySize;
  }

  [[nodiscard]] std::size_t slot_of(std::string_view topic, std::int32_t queue_id) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t hash = std::hash<std::string_view>{}(topic) +
                       static_cast<std::size_t>(static_cast<std::uint32_t>(queue_id)) * 0x9E3779B97F4A7C15U;
    hash ^= hash >> 32;
    for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask) {
      const std::uint32_t number = slots_[slot];
      if (number == kNoLane) return slot;
      const recovery::QueueId& id = lanes_[number].id;
      if (id.queue_id == queue_id && id.topic == topic) return slot;
    }
  }

  // Nothing for a name that no queue can have.
  Lane* lane_of(std::string_view topic, std::int32_t queue_id) {
    // Queues often take turns: the one that came behind this one last time is asked first.
    if (last_ != nullptr && last_->followed_by != nullptr) {
      Lane* const next = last_->followed_by;
      if (next->id.queue_id == queue_id && next->id.topic == topic) return last_ = next;
    }
    Lane* const lane = find_lane(topic, queue_id);
    if (lane == nullptr) return nullptr;
    if (last_ != nullptr) last_->followed_by = lane;
    return last_ = lane;
  }

  Lane* find_lane(std::string_view topic, std::int32_t queue_id) {
    const std::size_t slot = slot_of(topic, queue_id);
    if (slots_[slot] != kNoLane) return &lanes_[slots_[slot]];
    if (!is_file_name(topic)) {
      ++unusable_;
      return nullptr;
    }
    const auto number = static_cast<std::uint32_t>(lanes_.size());
    Lane& lane = lanes_.emplace_back();
    lane.id = {std::string(topic), queue_id};
    lane.wanted = options_.wants_queue(topic, queue_id);
    lane.batch = batch_topics_.contains(lane.id.topic);
    slots_[slot] = number;
    if (2 * lanes_.size() > slots_.size()) {
      slots_.assign(2 * slots_.size(), kNoLane);
      for (std::uint32_t i = 0; i < lanes_.size(); ++i)
        slots_[slot_of(lanes_[i].id.topic, lanes_[i].id.queue_id)] = i;
    }
    return &lane;
  }

  void add_simple(Lane& lane, std::int64_t queue_offset, const derive::DispatchRequest& request) {
    const bool compact = fits_32_bits(request.tags_code);
    const std::uint32_t size = compact ? sizeof(StoredUnit) : std::uint32_t{format::kConsumeQueueEntrySize};
    Chunk* chunk = lane.tail;
    if (chunk == nullptr || queue_offset != lane.next || queue_offset == lane.file_end ||
        chunk->compact != compact || chunk->capacity - chunk->used < size) {
      chunk = add_chunk(lane, size);
      if (chunk == nullptr) return;
      chunk->first = queue_offset;
      chunk->compact = compact;
      lane.file_end = (queue_offset / options_.units_in_file + 1) * options_.units_in_file;
    }
    std::byte* const at = chunk->bytes() + chunk->used;
    if (compact) {
      const StoredUnit unit{static_cast<std::uint32_t>(request.log_offset - part_start_), request.size,
                            static_cast<std::int32_t>(request.tags_code)};
      std::memcpy(at, &unit, sizeof unit);
    } else {
      format::ConsumeQueueEntry{request.log_offset, request.size, request.tags_code}.store(at);
    }
    chunk->used += size;
    chunk->last_timestamp = request.store_timestamp;
    lane.next = queue_offset + 1;
  }

  void add_batch(Lane& lane, const derive::DispatchRequest& request) {
    constexpr std::uint32_t kUnit = format::kBatchConsumeQueueEntrySize;
    if (!lane.wanted) return;
    if (request.base_offset < 0 || request.base_offset > kLargestPosition || request.batch_size <= 0) {
      ++unusable_;
      return;
    }
    Chunk* chunk = lane.tail;
    if (chunk == nullptr || chunk->capacity - chunk->used < kUnit) {
      chunk = add_chunk(lane, kUnit);
      if (chunk == nullptr) return;
    }
    format::BatchConsumeQueueEntry entry;
    entry.commit_log_offset = request.log_offset;
    entry.size = request.size;
    entry.tags_code = request.tags_code;
    entry.store_timestamp = request.store_timestamp;
    entry.base_offset = request.base_offset;
    entry.batch_size = request.batch_size;
    entry.store(chunk->bytes() + chunk->used);
    chunk->used += kUnit;
    chunk->last_timestamp = request.store_timestamp;
  }

  void add_keys(const derive::DispatchRequest& request) {
    if (!request.enters_index() || (!request.uniq_key && request.keys.empty())) return;
    if (request.topic != topic_) {
      topic_ = request.topic;
      topic_hash_ = java_hash("#", java_hash(topic_));
    }
    hashes_.clear();
    format::append_index_key_hashes(topic_hash_, request.uniq_key, request.keys, hashes_);
    for (const std::int32_t hash : hashes_) {
      Chunk* chunk = key_lane_.tail;
      if (chunk == nullptr || chunk->capacity - chunk->used < sizeof(StoredKey) ||
          !fits_32_bits(saturated_sub(request.store_timestamp, chunk->first))) {
        chunk = add_chunk(key_lane_, sizeof(StoredKey));
        if (chunk == nullptr) return;
        chunk->first = request.store_timestamp;
      }
      const StoredKey key{static_cast<std::uint32_t>(hash),
                          static_cast<std::uint32_t>(request.log_offset - part_start_),
                          static_cast<std::int32_t>(request.store_timestamp - chunk->first)};
      std::memcpy(chunk->bytes() + chunk->used, &key, sizeof key);
      chunk->used += sizeof key;
      ++key_count_;
    }
  }

  // A new tail for a lane: twice as large as what the last one came to hold. Nothing after an error.
  Chunk* add_chunk(Lane& lane, std::size_t unit) {
    const std::size_t wanted = lane.tail == nullptr
                                   ? kSmallestChunk
                                   : std::max<std::size_t>(2 * std::size_t{lane.tail->used}, kSmallestChunk);
    const std::size_t capacity = std::min(wanted, largest_chunk_) / unit * unit;
    const std::size_t size =
        (sizeof(Chunk) + capacity + alignof(Chunk) - 1) / alignof(Chunk) * alignof(Chunk);
    if (!arena_) {
      auto reserved = io::AnonymousMemory::reserve(arena_size_);
      if (!reserved) {
        status_ = reserved.error();
        return nullptr;
      }
      arena_ = std::make_unique<io::AnonymousMemory>(std::move(*reserved));
    }
    if (used_ + size > arena_size_) {
      close_extents();
      status_ = spill();
      if (!status_) return nullptr;
    }
    Chunk* const chunk = new (arena_->bytes().data() + used_) Chunk;
    used_ += size;
    chunk->capacity = static_cast<std::uint32_t>(capacity);
    if (!lane.touched) {
      lane.touched = true;
      touched_.push_back(&lane);
    }
    (lane.head == nullptr ? lane.head : lane.tail->next) = chunk;
    lane.tail = chunk;
    return chunk;
  }

  void close_extents() {
    for (Lane* const lane : touched_) {
      Extent& extent = extents_.emplace_back();
      extent.part = part_;
      extent.part_start = part_start_;
      extent.lane = lane == &key_lane_ ? kKeyLane : slots_[slot_of(lane->id.topic, lane->id.queue_id)];
      extent.chain = lane->head;
      for (const Chunk* chunk = lane->head; chunk != nullptr; chunk = chunk->next)
        extent.bytes += chunk->compact ? static_cast<std::int64_t>(chunk->used / sizeof(StoredUnit)) *
                                             format::kConsumeQueueEntrySize
                                       : chunk->used;
      if (lane == &key_lane_) extent.count = std::exchange(key_count_, 0);
      lane->head = lane->tail = nullptr;
      lane->touched = false;
    }
    touched_.clear();
  }

  // Everything in memory to the file.
  Status spill() {
    if (!spill_) {
      RMQ_CHECK(files_.make_directories(options_.spill_directory));
      RMQ_TRY(made, files_.create(spill_path_, 0, {}));
      spill_ = std::move(made);
    }
    std::vector<std::byte> buffer;
    std::int64_t position = spill_end_;
    const auto write = [&]() -> Status {
      RMQ_CHECK(spill_->write_at(position, buffer));
      position += std::ssize(buffer);
      buffer.clear();
      return {};
    };
    const auto append = [&](const void* data, std::size_t size) {
      const auto* const bytes = static_cast<const std::byte*>(data);
      buffer.insert(buffer.end(), bytes, bytes + size);
    };
    buffer.reserve(kSpillBuffer + kLargestChunk + sizeof(SpilledChunk));
    for (; unspilled_ < extents_.size(); ++unspilled_) {
      Extent& extent = extents_[unspilled_];
      extent.spill_position = position + std::ssize(buffer);
      for (const Chunk* chunk = extent.chain; chunk != nullptr; chunk = chunk->next) {
        const SpilledChunk head{chunk->first, chunk->last_timestamp, chunk->used, chunk->compact ? 1U : 0U};
        append(&head, sizeof head);
        append(chunk->bytes(), chunk->used);
        extent.spill_bytes += static_cast<std::int64_t>(sizeof head + chunk->used);
        if (buffer.size() >= kSpillBuffer) RMQ_CHECK(write());
      }
      extent.chain = nullptr;
      extent.spill = spill_.get();
    }
    RMQ_CHECK(write());
    spill_end_ = position;
    used_ = 0;
    return {};
  }

  io::FileSystem& files_;
  const HarvestOptions& options_;
  std::string spill_path_;
  std::set<std::string> batch_topics_;
  std::size_t arena_size_ = 0;
  std::size_t largest_chunk_ = 0;
  std::unique_ptr<io::AnonymousMemory> arena_;
  std::size_t used_ = 0;
  std::deque<Lane> lanes_;
  std::vector<std::uint32_t> slots_;  // by hash, at most half full
  Lane* last_ = nullptr;
  Lane key_lane_;
  std::vector<Lane*> touched_;  // with units in memory of the part at hand
  std::int64_t key_count_ = 0;
  std::string topic_;  // the one seen last
  std::int32_t topic_hash_ = java_hash("#");
  std::vector<std::int32_t> hashes_;
  std::size_t part_ = 0;
  std::int64_t part_start_ = 0;
  std::int64_t told_ = 0;  // progress
  std::size_t unspilled_ = 0;
  std::unique_ptr<io::WriteFile> spill_;
  Status status_;
};

Harvest::Harvest(io::FileSystem& files, HarvestOptions options)
    : files_(files), options_(std::move(options)) {
  options_.units_in_file = std::max<std::int64_t>(options_.units_in_file, 1);
  for (std::size_t i = 0; i < std::max<std::size_t>(options_.workers, 1); ++i)
    workers_.push_back(std::make_unique<Worker>(
        files_, options_, io::join_path(options_.spill_directory, "spill." + std::to_string(i))));
}

Harvest::~Harvest() = default;

void Harvest::begin(const recovery::Plan& known, std::size_t /*parts*/) {
  for (const auto& worker : workers_) worker->begin(known);
}

recovery::RecordTap& Harvest::begin_part(std::size_t worker, std::size_t part, std::int64_t start) {
  workers_[worker]->begin_part(part, start);
  return *workers_[worker];
}

void Harvest::end_part(std::size_t worker) { workers_[worker]->end_part(); }

Status Harvest::status() const {
  for (const auto& worker : workers_)
    if (!worker->status()) return worker->status();
  return {};
}

void Harvest::gather() {
  struct Owned {
    const Extent* extent;
    const Worker* worker;
    std::size_t number;  // in the order in which they came
  };
  std::vector<Owned> all;
  for (const auto& worker : workers_) {
    for (const Extent& extent : worker->extents_) all.push_back({&extent, worker.get(), all.size()});
    messages_ += worker->messages_;
    last_message_ = std::max(last_message_, worker->last_message_);
    unusable_ += worker->unusable_;
    spilled_ += worker->spill_end_;
  }
  // A part is one worker's, whose extents are in order.
  std::ranges::sort(all, {}, [](const Owned& one) { return std::pair(one.extent->part, one.number); });
  for (const Owned& one : all) {
    if (one.extent->lane == Worker::kKeyLane) {
      key_extents_.push_back(one.extent);
      keys_ += one.extent->count;
      continue;
    }
    const Worker::Lane& lane = one.worker->lane(one.extent->lane);
    QueueHarvest& queue = queues_[lane.id];
    queue.batch = lane.batch;
    queue.extents.push_back(one.extent);
  }
}

namespace {

// Calls take(head, bytes) for each chunk of a stretch of a spill file.
template <class Take>
Status visit_spilled(const io::ReadFile& file, std::int64_t position, std::int64_t length,
                     std::vector<std::byte>& buffer, Take take) {
  const std::int64_t end = position + length;
  std::size_t have = 0;
  std::size_t at = 0;
  const auto need = [&](std::size_t size) -> Status {
    if (have - at >= size) return {};
    std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(at),
              buffer.begin() + static_cast<std::ptrdiff_t>(have), buffer.begin());
    have -= at;
    at = 0;
    buffer.resize(std::max(buffer.size(), std::max(size, std::size_t{256 << 10})));
    while (have < size) {
      const auto more = static_cast<std::size_t>(
          std::min<std::int64_t>(end - position, std::ssize(buffer) - static_cast<std::ptrdiff_t>(have)));
      RMQ_TRY(got, file.read_at(position, std::span(buffer).subspan(have, more)));
      if (got == 0)
        return Error{ErrorCode::io_error, 0, "a file of units that were set aside has become shorter"};
      have += got;
      position += static_cast<std::int64_t>(got);
    }
    return {};
  };
  while (position < end || at < have) {
    SpilledChunk head;
    RMQ_CHECK(need(sizeof head));
    std::memcpy(&head, buffer.data() + at, sizeof head);
    at += sizeof head;
    RMQ_CHECK(need(head.used));
    RMQ_CHECK(take(head, std::span<const std::byte>(buffer).subspan(at, head.used)));
    at += head.used;
  }
  return {};
}

}  // namespace

std::int64_t Harvest::bytes_of(const QueueHarvest& queue) const {
  std::int64_t bytes = 0;
  for (const Extent* const extent : queue.extents) bytes += extent->bytes;
  return bytes;
}

Status Harvest::visit(const QueueHarvest& queue, const std::function<Status(const UnitPiece&)>& take) const {
  std::vector<std::byte> buffer;
  std::vector<std::byte> units;
  for (const Extent* const extent : queue.extents) {
    const auto take_chunk = [&](const SpilledChunk& head, std::span<const std::byte> bytes) -> Status {
      if (head.compact == 0) return take({head.first, head.last_timestamp, bytes});
      const std::size_t count = bytes.size() / sizeof(StoredUnit);
      units.resize(count * format::kConsumeQueueEntrySize);
      for (std::size_t i = 0; i < count; ++i) {
        StoredUnit unit;
        std::memcpy(&unit, bytes.data() + i * sizeof unit, sizeof unit);
        format::ConsumeQueueEntry{extent->part_start + unit.offset_in_part, unit.size, unit.tags_code}.store(
            units.data() + i * format::kConsumeQueueEntrySize);
      }
      return take({head.first, head.last_timestamp, units});
    };
    for (const Chunk* chunk = extent->chain; chunk != nullptr; chunk = chunk->next)
      RMQ_CHECK(take_chunk({chunk->first, chunk->last_timestamp, chunk->used, chunk->compact ? 1U : 0U},
                           {chunk->bytes(), chunk->used}));
    if (extent->chain != nullptr || extent->spill == nullptr) continue;
    RMQ_CHECK(visit_spilled(*extent->spill, extent->spill_position, extent->spill_bytes, buffer, take_chunk));
  }
  return {};
}

Status Harvest::visit_keys(
    std::int64_t from, std::int64_t end,
    const std::function<Status(std::int64_t log_begin, std::span<const KeyEntry> keys)>& take) const {
  std::vector<std::byte> buffer;
  std::vector<KeyEntry> keys;
  std::int64_t at = 0;  // the number of the next key that is seen
  for (const Extent* const extent : key_extents_) {
    if (at >= end) break;
    if (at + extent->count <= from) {
      at += extent->count;
      continue;
    }
    const auto take_chunk = [&](const SpilledChunk& head, std::span<const std::byte> bytes) -> Status {
      const auto count = static_cast<std::int64_t>(bytes.size() / sizeof(StoredKey));
      const std::int64_t skip = std::clamp<std::int64_t>(from - at, 0, count);
      const std::int64_t stop = std::clamp<std::int64_t>(end - at, 0, count);
      at += count;
      if (skip >= stop) return {};
      keys.resize(static_cast<std::size_t>(stop - skip));
      const std::byte* next = bytes.data() + skip * static_cast<std::int64_t>(sizeof(StoredKey));
      for (KeyEntry& key : keys) {
        StoredKey stored;
        std::memcpy(&stored, next, sizeof stored);
        next += sizeof stored;
        key = {stored.hash, stored.offset_in_part, head.first + stored.after};
      }
      return take(extent->part_start, keys);
    };
    for (const Chunk* chunk = extent->chain; chunk != nullptr && at < end; chunk = chunk->next)
      RMQ_CHECK(take_chunk({chunk->first, 0, chunk->used, 0}, {chunk->bytes(), chunk->used}));
    if (extent->chain == nullptr && extent->spill != nullptr)
      RMQ_CHECK(
          visit_spilled(*extent->spill, extent->spill_position, extent->spill_bytes, buffer, take_chunk));
  }
  return {};
}

}  // namespace rmq::reindex
