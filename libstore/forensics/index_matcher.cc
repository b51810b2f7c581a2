#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "libstore/base/saturate.h"

#include "libstore/forensics/verify_index.h"

namespace rmq::forensics {
namespace {

using format::IndexEntry;
using format::kIndexEntrySize;

constexpr std::size_t kBuffered = 8192;  // entries
constexpr std::size_t kLookahead = 512;  // an entry's order is judged by at least as many behind it
constexpr std::size_t kPending = 256;    // keys and entries that wait for their counterpart
constexpr std::size_t kRecent = 256;     // a power of two
constexpr std::size_t kMaxLanes = 16;
constexpr std::size_t kMaxDetails = 65'536;  // of each kind in a report
constexpr std::size_t kMaxWrongTimes = 1024;
constexpr std::int64_t kUnknownTime = -1;

struct Item {
  std::int64_t offset;
  std::int32_t hash;
  std::int32_t time_diff;
  std::int32_t number;
  std::uint32_t file : 30;
  std::uint32_t outside : 1;  // of what its file's header says
  std::uint32_t out_of_order : 1;
};

Finding entry_finding(const IndexFileCheck& check, std::string_view code, std::int64_t number,
                      std::int64_t within, std::int64_t length, std::string message) {
  Finding finding;
  finding.code = code;
  finding.severity = Severity::degraded;
  finding.file = check.file.shown;
  finding.offset = format::index_entry_position(check.geometry.slots, number) + within;
  finding.length = length;
  finding.message = std::move(message);
  return finding;
}

Finding offset_finding(const IndexFileCheck& check, std::int64_t number, std::int64_t found,
                       std::int64_t right) {
  return entry_finding(check, kIndexOffset, number, 0, kIndexEntrySize,
                       fmt::format("entry {} leads to offset {} instead of {}", number, found, right));
}

bool is_flagged(const IndexFileCheck& check, std::int64_t number) {
  return std::binary_search(check.flagged.begin(), check.flagged.end(), number);
}

bool reported(const IndexFileCheck& check, std::string_view code) {
  return std::ranges::any_of(check.findings, [&](const Finding& finding) { return finding.code == code; });
}

// The entries of files that follow each other in the log, as one stream.
class Lane {
 public:
  Lane(const io::ReadFileSystem& files, const std::vector<IndexFileCheck>& checks)
      : files_(files), checks_(checks) {}

  void add(std::size_t file) { order_.push_back(file); }
  [[nodiscard]] std::int64_t end() const { return checks_[order_.back()].last_guide; }

  // Goes to the first entry that may lead to `from` or behind it. Damaged guides can only make that too
  // early.
  void start(std::int64_t from) {
    std::size_t file = 0;
    std::int64_t number = 1;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const IndexFileCheck& check = checks_[order_[i]];
      std::int64_t guide_number = 1;
      for (const std::int64_t guide : check.guides) {
        if (guide >= from) return begin_at(file, number);
        file = i;
        number = guide_number;
        guide_number += IndexFileCheck::kGuideStep;
      }
    }
    begin_at(file, number);
  }

  [[nodiscard]] const Item* current() const { return at_ < items_.size() ? &items_[at_] : nullptr; }
  void advance() {
    ++at_;
    if (items_.size() - at_ < kLookahead && more_) refill();
  }
  [[nodiscard]] bool at_very_start() const { return at_very_start_; }
  void leave_start() { at_very_start_ = false; }
  // The offset of the next entry that is in order; the largest value when there is none.
  [[nodiscard]] std::int64_t next_in_order() const {
    for (std::size_t i = at_; i < items_.size(); ++i) {
      if (items_[i].out_of_order == 0) return items_[i].offset;
    }
    return std::numeric_limits<std::int64_t>::max();
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  bool owned = false;  // an entry of the part [from, to) has been seen

 private:
  void begin_at(std::size_t file, std::int64_t number) {
    next_file_ = file;
    next_number_ = number;
    at_very_start_ = file == 0 && number == 1;
    more_ = !order_.empty();
    refill();
  }

  void refill() {
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(at_));
    at_ = 0;
    while (more_ && items_.size() < kBuffered / 2) load();
    judge_order();
  }

  // Takes in the next entries of one file.
  void load() {
    if (next_file_ >= order_.size()) {
      more_ = false;
      return;
    }
    const std::size_t index = order_[next_file_];
    const IndexFileCheck& check = checks_[index];
    if (next_number_ > check.used) {
      file_.reset();
      ++next_file_;
      next_number_ = 1;
      return;
    }
    if (!file_) {
      auto opened = files_.open(check.file.path);
      if (!opened) return fail(std::move(opened).error());
      file_ = std::move(*opened);
    }
    const auto count =
        std::min(static_cast<std::int64_t>(kBuffered - items_.size()), check.used + 1 - next_number_);
    raw_.resize(std::max(raw_.size(), static_cast<std::size_t>(count * kIndexEntrySize)));
    const std::span<std::byte> bytes(raw_.data(), static_cast<std::size_t>(count * kIndexEntrySize));
    const auto got = file_->read_at(format::index_entry_position(check.geometry.slots, next_number_), bytes);
    if (!got) return fail(got.error());
    const auto whole = static_cast<std::int64_t>(*got) / kIndexEntrySize;
    // Nothing lies outside of what the header says, where the header can be believed.
    const bool bounded = !check.begin_offset_in_doubt && !check.end_offset_in_doubt && check.cut_off == 0 &&
                         !reported(check, kIndexRange);
    const std::int64_t lowest = bounded ? check.header.begin_phy_offset : 0;
    const std::int64_t highest = bounded ? std::max(check.header.end_phy_offset, check.last_guide)
                                         : std::numeric_limits<std::int64_t>::max();
    const std::size_t before = items_.size();
    items_.resize(before + static_cast<std::size_t>(whole));
    Item* out = items_.data() + before;
    for (std::int64_t i = 0; i < whole; ++i) {
      const std::int64_t number = next_number_ + i;
      if (!check.damaged.empty() && is_damaged(check, number)) continue;
      const IndexEntry entry = IndexEntry::load(bytes.data() + i * kIndexEntrySize);
      const bool outside = entry.phy_offset < lowest || entry.phy_offset > highest;
      *out++ = {entry.phy_offset,
                entry.key_hash,
                entry.time_diff_seconds,
                static_cast<std::int32_t>(number),
                static_cast<std::uint32_t>(index) & 0x3FFFFFFFU,
                outside ? 1U : 0U,
                0U};
      any_outside_ |= outside;
    }
    items_.resize(static_cast<std::size_t>(out - items_.data()));
    // A file that shrank since it was checked ends here.
    next_number_ = whole < count ? check.used + 1 : next_number_ + count;
  }

  void fail(Error error) {
    error_ = std::move(error);
    more_ = false;
  }

  static bool is_damaged(const IndexFileCheck& check, std::int64_t number) {
    auto it = std::upper_bound(check.damaged.begin(), check.damaged.end(), number,
                               [](std::int64_t n, const IndexEntryRun& run) { return n < run.first; });
    if (it == check.damaged.begin()) return false;
    --it;
    return number < it->first + it->count;
  }

  // Entries are written in the order of their records. Where they are not in order, the longest ascending
  // selection is believed, and whatever is not in it stands out of order.
  void judge_order() {
    bool ordered = !any_outside_;
    for (std::size_t i = at_ + 1; i < items_.size(); ++i) ordered &= items_[i - 1].offset <= items_[i].offset;
    const bool was_ordered = std::exchange(ordered_, ordered);
    if (ordered) {
      if (!was_ordered) {
        for (Item& item : items_) item.out_of_order = 0;
      }
      return;
    }
    std::vector<std::size_t>
        tails;  // tails[n]: the entry with the lowest offset that ends n + 1 ascending ones
    std::vector<std::size_t> previous(items_.size(), items_.size());
    any_outside_ = false;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (items_[i].outside != 0) {
        any_outside_ = true;
        continue;
      }
      const auto place = std::upper_bound(
          tails.begin(), tails.end(), items_[i].offset,
          [&](std::int64_t offset, std::size_t tail) { return offset < items_[tail].offset; });
      if (place != tails.begin()) previous[i] = *(place - 1);
      if (place == tails.end()) {
        tails.push_back(i);
      } else {
        *place = i;
      }
    }
    for (Item& item : items_) item.out_of_order = 1;
    for (std::size_t i = tails.empty() ? items_.size() : tails.back(); i < items_.size(); i = previous[i]) {
      items_[i].out_of_order = 0;
    }
  }

  const io::ReadFileSystem& files_;
  const std::vector<IndexFileCheck>& checks_;
  std::vector<std::size_t> order_;
  std::size_t next_file_ = 0;
  std::int64_t next_number_ = 1;
  std::unique_ptr<io::ReadFile> file_;
  std::vector<std::byte> raw_;
  std::vector<Item> items_;
  std::size_t at_ = 0;
  bool more_ = false;
  bool at_very_start_ = false;
  bool any_outside_ = false;  // among items_
  bool ordered_ = true;       // all of items_ are in order
  std::optional<Error> error_;
};

}  // namespace

class IndexMatcher::Impl {
 public:
  Impl(const io::ReadFileSystem& files, const std::vector<IndexFileCheck>& checks, std::int64_t from,
       std::int64_t to)
      : checks_(checks), from_(from), to_(to) {
    report_.from = from;
    report_.to = to;
    states_.resize(checks.size());
    evidence_.resize(checks.size());
    for (std::size_t i = 0; i < checks.size(); ++i) {
      evidence_[i].file = i;
      if (!reported(checks[i], kIndexTimes)) states_[i].begin = checks[i].header.begin_timestamp;
      states_[i].last_but_one = static_cast<std::int32_t>(checks[i].used - 1);
    }
    collect_lost();
    build_lanes(files);
  }

  void expect(std::int64_t offset, std::int64_t timestamp, std::span<const std::int32_t> hashes) {
    ++records_;
    hashes_ = hashes;
    if (lanes_.size() == 1 && hashes.size() == 1) {
      const std::int32_t hash = hashes.front();
      Lane& lane = lanes_.front();
      const Item* item = lane.current();
      if (item != nullptr && item->offset == offset && item->hash == hash && item->out_of_order == 0 &&
          strays_.empty()) {
        ++report_.keys;
        lane.owned = true;
        lane.leave_start();
        match(*item, offset, timestamp);
        remember(offset, hash);
        lane.advance();
        const Item* next = lane.current();
        if (next == nullptr || (next->offset != offset && next->out_of_order == 0)) return;
        found_.assign(1, 1);
        match_in(lane, offset, timestamp, own_ = found_);
        return;
      }
    }
    report_.keys += static_cast<std::int64_t>(hashes_.size());
    found_.assign(hashes_.size(), 0);
    for (Lane& lane : lanes_) {
      own_.assign(hashes_.size(), 0);
      match_in(lane, offset, timestamp, own_);
      for (std::size_t i = 0; i < own_.size(); ++i) found_[i] |= own_[i];
    }
    if (!strays_.empty()) forget_early_duplicates(offset);
    for (std::size_t i = 0; i < hashes_.size(); ++i) {
      if (found_[i] == 0) missing(offset, timestamp, hashes_[i]);
      remember(offset, hashes_[i]);
    }
  }

  IndexMatchReport finish() {
    ++records_;
    for (Lane& lane : lanes_) {
      skip_before(lane, to_);
      if (lane.error() && !report_.error) report_.error = lane.error();
    }
    for (const Stray& stray : strays_) dangle(stray);
    strays_.clear();
    for (const Missing& one : missing_) flush(one);
    missing_.clear();
    for (IndexFileEvidence& one : evidence_) {
      one.times_compared = states_[one.file].times_compared;
      if (one.first || one.before || one.last || one.times_compared > 0)
        report_.evidence.push_back(std::move(one));
    }
    return std::move(report_);
  }

 private:
  struct FileState {                    // what is asked for every entry
    std::int64_t begin = kUnknownTime;  // what its entries' times count from
    std::int64_t times_compared = 0;
    std::int32_t last_but_one = 0;
  };
  struct Stray {  // an entry that no record has claimed yet
    Item item;
    std::int64_t seen_at;  // records_ when it was met
    bool at_record;
    bool borrowed;  // stands in the part before, but its record may lie in this one
  };
  struct Missing {  // a key that no entry has served yet
    std::int64_t offset;
    std::int64_t timestamp;
    std::int32_t hash;
    std::int64_t after;  // report_.matched when it was met
  };
  struct Recent {
    std::int64_t offset = -1;
    std::int32_t hash = 0;
  };

  void build_lanes(const io::ReadFileSystem& files) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < checks_.size(); ++i) {
      if (checks_[i].readable && checks_[i].used > 0 && !checks_[i].guides.empty()) order.push_back(i);
    }
    std::ranges::sort(order, {}, [&](std::size_t i) {
      return std::tuple(checks_[i].guides.front(), checks_[i].last_guide, i);
    });
    for (const std::size_t file : order) {
      const auto fits = std::ranges::find_if(
          lanes_, [&](const Lane& lane) { return lane.end() <= checks_[file].guides.front(); });
      if (fits != lanes_.end()) {
        fits->add(file);
      } else if (lanes_.size() < kMaxLanes) {
        lanes_.emplace_back(files, checks_);
        lanes_.back().add(file);
      } else {
        ++report_.dropped;
      }
    }
    for (Lane& lane : lanes_) lane.start(from_);
  }

  // Where keys are missing because of damage that has been reported with the file.
  void collect_lost() {
    for (std::size_t i = 0; i < checks_.size(); ++i) {
      const IndexFileCheck& check = checks_[i];
      lost_.insert(lost_.end(), check.lost.begin(), check.lost.end());
      if (check.readable) continue;
      LostIndexKeys all{0, std::numeric_limits<std::int64_t>::max(), 0};
      if (check.header.end_phy_offset > 0 && check.header.begin_phy_offset <= check.header.end_phy_offset) {
        all = {check.header.begin_phy_offset, check.header.end_phy_offset, 0};
      } else {
        if (check.file.size >= format::kIndexHeaderSize && check.header.index_count <= 1) continue;
        for (std::size_t j = 0; j < checks_.size(); ++j) {
          if (!checks_[j].readable || checks_[j].used == 0 || checks_[j].guides.empty()) continue;
          if (j < i) all.from = std::max(all.from, checks_[j].last_guide);
          if (j > i) all.to = std::min(all.to, checks_[j].guides.front());
        }
      }
      lost_.push_back(all);
    }
    std::erase_if(lost_, [&](const LostIndexKeys& lost) { return lost.to < from_ || lost.from >= to_; });
  }

  // Entries that lead to places before `offset` had their chance.
  void skip_before(Lane& lane, std::int64_t offset) {
    while (const Item* item = lane.current()) {
      if (item->out_of_order != 0) {
        const bool own = lane.owned || (lane.at_very_start() && lane.next_in_order() >= from_ &&
                                        lane.next_in_order() < to_);
        stray(*item, false, !own);
        lane.advance();
        continue;
      }
      if (item->offset >= offset) return;
      lane.leave_start();
      if (item->offset >= from_) {
        lane.owned = true;
        stray(*item, false, false);
      } else {
        std::erase_if(strays_, [](const Stray& stray) { return stray.borrowed; });
      }
      lane.advance();
    }
  }

  // Serves the keys `hashes_` of the record at `offset`.
  void match_in(Lane& lane, std::int64_t offset, std::int64_t timestamp, std::vector<std::uint8_t>& found) {
    skip_before(lane, offset);
    std::size_t next = 0;
    while (const Item* item = lane.current()) {
      if (item->out_of_order != 0) {
        skip_before(lane, offset);
        item = lane.current();
        if (item == nullptr) return;
      }
      if (item->offset != offset) return;
      lane.leave_start();
      lane.owned = true;
      const std::size_t count = hashes_.size();
      std::size_t hit = count;
      bool again = false;
      for (std::size_t i = 0; i < count && hit == count; ++i) {
        const std::size_t k = (next + i) % count;
        if (hashes_[k] != item->hash) continue;
        if (found[k] == 0) hit = k;
        again = true;
      }
      if (hit < count) {
        found[hit] = 1;
        next = hit + 1;
        match(*item, offset, timestamp);
      } else if (again) {
        ++report_.duplicates;
        note_ends(*item, offset, timestamp);
      } else {
        stray(*item, true, false);
      }
      lane.advance();
    }
  }

  void match(const Item& item, std::int64_t offset, std::int64_t timestamp) {
    ++report_.matched;
    note_ends(item, offset, timestamp);
  }

  // The entry belongs to this record: compares its time, and keeps what the header must say.
  void note_ends(const Item& item, std::int64_t offset, std::int64_t timestamp) {
    FileState& file = states_[item.file];
    if (item.number == 1 || item.number >= file.last_but_one) return note_end(item, offset, timestamp);
    if (file.begin == kUnknownTime) return;
    ++file.times_compared;
    // Without a division, but for clock steps and damage.
    const std::int64_t rest = saturated_sub(saturated_sub(timestamp, file.begin), item.time_diff * std::int64_t{1000});
    if (rest >= 0 && rest < 1000) return;
    if (item.time_diff != format::index_time_diff(file.begin, timestamp)) wrong_time(item, timestamp);
  }

  void note_end(const Item& item, std::int64_t offset, std::int64_t timestamp) {
    IndexFileEvidence& evidence = evidence_[item.file];
    FileState& file = states_[item.file];
    if (item.number == 1) {
      // Its own time counts from the end of the file before.
      evidence.first = IndexFileEvidence::End{offset, timestamp};
      evidence.first_time_diff = item.time_diff;
      file.begin = timestamp;
    } else if (file.begin != kUnknownTime) {
      ++file.times_compared;
      if (item.time_diff != format::index_time_diff(file.begin, timestamp)) wrong_time(item, timestamp);
    }
    if (item.number < file.last_but_one) return;
    (item.number > file.last_but_one ? evidence.last : evidence.before) =
        IndexFileEvidence::End{offset, timestamp};
  }

  void wrong_time(const Item& item, std::int64_t timestamp) {
    IndexFileEvidence& evidence = evidence_[item.file];
    ++evidence.times_wrong;
    if (evidence.wrong_times.size() < kMaxWrongTimes) {
      evidence.wrong_times.push_back({item.number, item.time_diff, timestamp});
    }
  }

  // Whether an entry can be one of a record of this time: users repeat their keys, but hardly at the same
  // second.
  [[nodiscard]] bool time_fits(const Item& item, std::int64_t timestamp) const {
    const std::int64_t begin = states_[item.file].begin;
    return item.number == 1 || begin == kUnknownTime ||
           item.time_diff == format::index_time_diff(begin, timestamp);
  }

  void remember(std::int64_t offset, std::int32_t hash) {
    recent_[recent_next_ & (kRecent - 1)] = {offset, hash};
    ++recent_next_;
  }

  void stray(const Item& item, bool at_record, bool borrowed) {
    const auto known = std::ranges::any_of(recent_, [&](const Recent& recent) {
      return recent.offset == item.offset && recent.hash == item.hash;
    });
    if (known) {
      if (!borrowed) ++report_.duplicates;
      return;
    }
    // Its record has passed already, and missed it.
    for (auto it = missing_.rbegin(); it != missing_.rend(); ++it) {
      if (it->hash != item.hash || !time_fits(item, it->timestamp)) continue;
      wrong_offset(item, it->offset, it->timestamp);
      if (borrowed) report_.claimed.emplace_back(item.file, item.number);
      missing_.erase(std::next(it).base());
      return;
    }
    if (strays_.size() == kPending) {
      dangle(strays_.front());
      strays_.pop_front();
    }
    strays_.push_back({item, records_, at_record, borrowed});
  }

  void missing(std::int64_t offset, std::int64_t timestamp, std::int32_t hash) {
    for (auto it = strays_.rbegin(); it != strays_.rend(); ++it) {
      if (it->item.hash != hash || !time_fits(it->item, timestamp)) continue;
      const Item item = it->item;
      if (it->borrowed) report_.claimed.emplace_back(item.file, item.number);
      strays_.erase(std::next(it).base());
      if (item.offset == offset) {
        match(item, offset, timestamp);
      } else {
        wrong_offset(item, offset, timestamp);
      }
      return;
    }
    for (auto it = strays_.rbegin(); it != strays_.rend(); ++it) {
      if (!it->at_record || it->item.offset != offset || it->seen_at != records_) continue;
      if (!time_fits(it->item, timestamp)) continue;  // left over from a record that lay here before
      const Item item = it->item;
      strays_.erase(std::next(it).base());
      wrong_hash(item, hash);
      match(item, offset, timestamp);
      return;
    }
    for (const LostIndexKeys& lost : lost_) {
      if (offset >= lost.from && offset <= lost.to) {
        ++report_.folded;
        return;
      }
    }
    if (missing_.size() == kPending) {
      flush(missing_.front());
      missing_.pop_front();
    }
    missing_.push_back({offset, timestamp, hash, report_.matched});
  }

  // Entries met too early because they stand out of order, and that are right all the same.
  void forget_early_duplicates(std::int64_t offset) {
    std::erase_if(strays_, [&](const Stray& stray) {
      if (stray.item.offset != offset) return false;
      for (std::size_t i = 0; i < hashes_.size(); ++i) {
        if (hashes_[i] != stray.item.hash || found_[i] == 0) continue;
        ++report_.duplicates;
        return true;
      }
      return false;
    });
  }

  void wrong_offset(const Item& item, std::int64_t right, std::int64_t timestamp) {
    const IndexFileCheck& check = checks_[item.file];
    note_ends(item, right, timestamp);
    ++report_.matched;
    if (!is_flagged(check, item.number)) add(offset_finding(check, item.number, item.offset, right));
  }

  void wrong_hash(const Item& item, std::int32_t right) {
    const IndexFileCheck& check = checks_[item.file];
    if (is_flagged(check, item.number)) return;
    add(entry_finding(check, kIndexEntry, item.number, 0, 4,
                      fmt::format("entry {}: hash {} instead of {}", item.number, item.hash, right)));
  }

  void add(Finding finding) {
    if (report_.findings.size() < kMaxDetails) {
      report_.findings.push_back(std::move(finding));
    } else {
      ++report_.dropped;
    }
  }

  void dangle(const Stray& stray) {
    if (stray.borrowed) return;
    const Item& item = stray.item;
    if (!report_.dangling.empty() && !stray.at_record && item.out_of_order == 0) {
      DanglingIndexEntry& last = report_.dangling.back();
      if (last.file == item.file && last.number + last.count == item.number && !last.at_record &&
          !last.out_of_order && last_dangling_at_ == stray.seen_at) {
        ++last.count;
        last.last_phy_offset = item.offset;
        return;
      }
    }
    last_dangling_at_ = stray.seen_at;
    if (report_.dangling.size() >= kMaxDetails) {
      ++report_.dropped;
      return;
    }
    report_.dangling.push_back({item.file, item.number, 1, item.offset, item.offset, item.hash,
                                stray.at_record, item.out_of_order != 0});
  }

  void flush(const Missing& one) {
    if (!report_.missing.empty() && last_missing_after_ == one.after) {
      MissingIndexRun& run = report_.missing.back();
      if (run.last_offset != one.offset) ++run.records;
      run.last_offset = one.offset;
      ++run.keys;
      return;
    }
    last_missing_after_ = one.after;
    if (report_.missing.size() >= kMaxDetails) {
      // The last run stands for the rest.
      ++report_.dropped;
      MissingIndexRun& run = report_.missing.back();
      run.last_offset = one.offset;
      ++run.records;
      ++run.keys;
      return;
    }
    report_.missing.push_back({one.offset, one.offset, 1, 1, one.hash});
  }

  const std::vector<IndexFileCheck>& checks_;
  std::int64_t from_;
  std::int64_t to_;
  IndexMatchReport report_;
  std::vector<Lane> lanes_;
  std::vector<FileState> states_;  // by file
  std::vector<IndexFileEvidence> evidence_;
  std::vector<LostIndexKeys> lost_;
  std::deque<Stray> strays_;
  std::deque<Missing> missing_;
  std::array<Recent, kRecent> recent_{};
  std::size_t recent_next_ = 0;
  std::int64_t records_ = 0;
  std::int64_t last_dangling_at_ = -1;
  std::int64_t last_missing_after_ = -1;
  std::span<const std::int32_t> hashes_;  // during expect()
  std::vector<std::uint8_t> found_;
  std::vector<std::uint8_t> own_;
};

IndexMatcher::IndexMatcher(const io::ReadFileSystem& files, const std::vector<IndexFileCheck>& checks,
                           std::int64_t from, std::int64_t to)
    : impl_(std::make_unique<Impl>(files, checks, from, to)) {}
IndexMatcher::~IndexMatcher() = default;
IndexMatcher::IndexMatcher(IndexMatcher&&) noexcept = default;
IndexMatcher& IndexMatcher::operator=(IndexMatcher&&) noexcept = default;

void IndexMatcher::expect(std::int64_t phy_offset, std::int64_t store_timestamp,
                          std::span<const std::int32_t> key_hashes) {
  impl_->expect(phy_offset, store_timestamp, key_hashes);
}

IndexMatchReport IndexMatcher::finish() { return impl_->finish(); }

namespace {

// Everything that the parts of the log say about one file.
struct Joined {
  std::optional<IndexFileEvidence::End> first;
  std::int32_t first_time_diff = 0;
  std::optional<IndexFileEvidence::End> before;
  std::optional<IndexFileEvidence::End> last;
  std::int64_t times_compared = 0;
  std::int64_t times_wrong = 0;
  std::vector<IndexFileEvidence::WrongTime> wrong_times;
};

Finding header_finding(const IndexFileCheck& check, std::string_view code, std::int64_t offset,
                       std::string message) {
  Finding finding;
  finding.code = code;
  finding.severity = Severity::degraded;
  finding.file = check.file.shown;
  finding.offset = offset;
  finding.length = 16;
  finding.message = std::move(message);
  return finding;
}

void judge_offsets(const IndexFileCheck& check, const Joined& joined, std::vector<Finding>& findings) {
  if (reported(check, kIndexRange)) return;
  const format::IndexHeader& header = check.header;
  const bool begin_wrong =
      joined.first ? joined.first->offset != header.begin_phy_offset : check.begin_offset_in_doubt;
  // A put that a crash cut short leaves the end where the entry before had set it.
  const bool end_right = joined.last && (joined.last->offset == header.end_phy_offset ||
                                         (joined.before && joined.before->offset == header.end_phy_offset));
  const bool end_wrong = check.end_offset_in_doubt && !end_right;
  if (!begin_wrong && !end_wrong) return;
  std::string message = fmt::format("the header says offsets {} to {}, its entries", header.begin_phy_offset,
                                    header.end_phy_offset);
  if (begin_wrong)
    message += joined.first ? fmt::format(" begin at {}", joined.first->offset) : " begin elsewhere";
  if (begin_wrong && end_wrong) message += " and";
  if (end_wrong) message += joined.last ? fmt::format(" end at {}", joined.last->offset) : " end elsewhere";
  findings.push_back(header_finding(check, kIndexRange, 16, std::move(message)));
}

void judge_times(const IndexFileCheck& check, const Joined& joined, std::vector<Finding>& findings) {
  const format::IndexHeader& header = check.header;
  const bool most_wrong = joined.times_wrong * 2 > joined.times_compared && joined.times_compared > 0;
  if (!reported(check, kIndexTimes)) {
    const bool begin_wrong = joined.first ? joined.first->timestamp != header.begin_timestamp
                                          : most_wrong && joined.times_compared >= 4;
    bool end_wrong = false;
    if (check.cut_off > 0) {
      // The last entry is gone.
    } else if (joined.last) {
      end_wrong = header.end_timestamp != joined.last->timestamp &&
                  !(joined.before && header.end_timestamp == joined.before->timestamp) &&
                  !(check.used == 1 && header.end_timestamp <= joined.last->timestamp) &&
                  !(check.used >= 2 && !joined.before && !check.times_in_doubt);
    } else {
      end_wrong = check.times_in_doubt;
    }
    if (begin_wrong || end_wrong) {
      std::string message = fmt::format("the header says times {} to {}, its records", header.begin_timestamp,
                                        header.end_timestamp);
      if (begin_wrong) {
        message += joined.first ? fmt::format(" begin at {}", joined.first->timestamp) : " do not begin then";
      }
      if (begin_wrong && end_wrong) message += " and";
      if (end_wrong)
        message += joined.last ? fmt::format(" end at {}", joined.last->timestamp) : " do not end then";
      findings.push_back(header_finding(check, kIndexTimes, 0, std::move(message)));
    }
  }
  if (!joined.first && most_wrong) return;  // all for one reason: what they count from
  const std::int64_t begin = joined.first ? joined.first->timestamp : header.begin_timestamp;
  for (const IndexFileEvidence::WrongTime& wrong : joined.wrong_times) {
    const std::int32_t right = format::index_time_diff(begin, wrong.timestamp);
    if (right == wrong.found || is_flagged(check, wrong.number)) continue;
    findings.push_back(entry_finding(
        check, kIndexTime, wrong.number, 12, 4,
        fmt::format("entry {}: time difference {} s instead of {} s", wrong.number, wrong.found, right)));
  }
}

// Takes entries out of the dangling ones whose record another part has found.
void forget_claimed(std::vector<IndexMatchReport>& reports) {
  std::vector<std::pair<std::size_t, std::int64_t>> claimed;
  for (const IndexMatchReport& report : reports) {
    claimed.insert(claimed.end(), report.claimed.begin(), report.claimed.end());
  }
  std::ranges::sort(claimed);
  for (IndexMatchReport& report : reports) {
    std::erase_if(report.dangling, [&](const DanglingIndexEntry& entry) {
      return entry.count == 1 && std::ranges::binary_search(claimed, std::pair(entry.file, entry.number));
    });
  }
}

// The first entry's time counts from the end of the file before, if that was full when this one was begun.
void judge_first_time(const IndexFileCheck& check, const Joined& joined, const IndexFileCheck& before,
                      const Joined& joined_before, std::vector<Finding>& findings) {
  if (!joined.first || is_flagged(check, 1) || before.cut_off > 0) return;
  if (!before.readable || before.used + 1 != before.geometry.entries) return;
  if (before.header.end_phy_offset > joined.first->offset)
    return;  // names are in another order than the files
  const std::int64_t timestamp = joined.first->timestamp;
  const std::int32_t right = format::index_time_diff(
      joined_before.last ? joined_before.last->timestamp : before.header.end_timestamp, timestamp);
  if (joined.first_time_diff == right) return;
  findings.push_back(
      entry_finding(check, kIndexTime, 1, 12, 4,
                    fmt::format("entry 1: time difference {} s instead of {} s since the file before",
                                joined.first_time_diff, right)));
}

// An entry that dangles in one part of the log, and a key that one entry is missing for in another.
void pair_across_parts(const std::vector<IndexFileCheck>& checks, std::vector<IndexMatchReport>& reports,
                       std::vector<Joined>& joined, std::vector<Finding>& findings) {
  std::unordered_multimap<std::int32_t, std::pair<std::size_t, std::int64_t>> single;
  for (std::size_t r = 0; r < reports.size(); ++r) {
    for (const MissingIndexRun& run : reports[r].missing) {
      if (run.keys == 1) single.emplace(run.first_hash, std::pair(r, run.first_offset));
    }
  }
  if (single.empty()) return;
  for (IndexMatchReport& report : reports) {
    std::erase_if(report.dangling, [&](const DanglingIndexEntry& entry) {
      if (entry.count != 1) return false;
      const auto found = single.find(entry.hash);
      if (found == single.end()) return false;
      const auto [r, offset] = found->second;
      single.erase(found);
      std::erase_if(reports[r].missing, [&](const MissingIndexRun& run) {
        return run.keys == 1 && run.first_offset == offset && run.first_hash == entry.hash;
      });
      const IndexFileCheck& check = checks[entry.file];
      if (!is_flagged(check, entry.number)) {
        findings.push_back(offset_finding(check, entry.number, entry.phy_offset, offset));
      }
      // Its record's time is not known here; the offset is enough to clear the header.
      if (entry.number == 1 && check.begin_offset_in_doubt) {
        joined[entry.file].first = IndexFileEvidence::End{offset, check.header.begin_timestamp};
      }
      if (entry.number == check.used && check.end_offset_in_doubt) {
        joined[entry.file].last = IndexFileEvidence::End{offset, check.header.end_timestamp};
      }
      return true;
    });
  }
}

}  // namespace

std::vector<Finding> resolve_index_doubts(const std::vector<IndexFileCheck>& checks,
                                          std::vector<IndexMatchReport>& reports) {
  std::vector<Finding> findings;
  std::vector<Joined> joined(checks.size());
  for (const IndexMatchReport& report : reports) {
    for (const IndexFileEvidence& evidence : report.evidence) {
      Joined& one = joined[evidence.file];
      if (evidence.first) {
        one.first = evidence.first;
        one.first_time_diff = evidence.first_time_diff;
      }
      if (evidence.before) one.before = evidence.before;
      if (evidence.last) one.last = evidence.last;
      one.times_compared += evidence.times_compared;
      one.times_wrong += evidence.times_wrong;
      one.wrong_times.insert(one.wrong_times.end(), evidence.wrong_times.begin(), evidence.wrong_times.end());
    }
  }
  forget_claimed(reports);
  pair_across_parts(checks, reports, joined, findings);
  for (std::size_t i = 0; i < checks.size(); ++i) {
    if (!checks[i].readable || checks[i].used == 0) continue;
    judge_offsets(checks[i], joined[i], findings);
    judge_times(checks[i], joined[i], findings);
    if (i > 0) judge_first_time(checks[i], joined[i], checks[i - 1], joined[i - 1], findings);
  }
  return findings;
}

}  // namespace rmq::forensics
