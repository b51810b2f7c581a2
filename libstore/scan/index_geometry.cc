#include "libstore/scan/index_geometry.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "libstore/format/index_file.h"

namespace rmq::scan {
namespace {

using format::IndexEntry;
using format::IndexHeader;
using format::kIndexEntrySize;
using format::kIndexHeaderSize;

constexpr std::size_t kWindow = kIndexEntrySize;
constexpr std::int64_t kBlock = 1 << 20;
// How many entries a candidate is judged by: enough that a wrong slot count cannot pass, few enough to be
// quick.
constexpr std::int64_t kJudgedEntries = 1024;
constexpr std::int64_t kJudgedHeads = 128;
// Files that lie about entry 1 and the last entry are searched whole, candidate by candidate, up to this
// size.
constexpr std::int64_t kExhaustiveLimit = 1 << 20;
constexpr int kMaxCandidates = 1'000'000;

// How well a number of slots explains a file.
struct Score {
  std::int64_t good = 0;
  std::int64_t total = 0;
  bool reaches_end = false;  // the header's last offset stands in the entry that the header calls the last

  [[nodiscard]] bool convincing() const { return total > 0 && good * 4 >= total * 3; }
  [[nodiscard]] bool better_than(const Score& other) const {
    const std::int64_t mine = good * other.total;
    const std::int64_t others = other.good * total;
    if (mine != others) return mine > others;
    return reaches_end && !other.reaches_end;
  }
};

bool all_zero(const std::byte* at) {
  return std::all_of(at, at + kWindow, [](std::byte byte) { return byte == std::byte{0}; });
}

class Probe {
 public:
  explicit Probe(const io::ReadFile& file) : file_(file), size_(file.size()) {
    std::array<std::byte, kIndexHeaderSize> bytes{};
    const auto got = file_.read_at(0, bytes);
    readable_ = got && *got == bytes.size();
    if (readable_) header_ = *IndexHeader::parse(bytes);
  }

  [[nodiscard]] bool readable() const { return readable_; }
  [[nodiscard]] const IndexHeader& header() const { return header_; }
  [[nodiscard]] std::int64_t size() const { return size_; }
  // 4 * slots + 20 * entries fills such a file exactly, and Java's int sizes reach it.
  [[nodiscard]] bool size_fits() const {
    return size_ > kIndexHeaderSize && size_ <= std::numeric_limits<std::int32_t>::max() &&
           (size_ - kIndexHeaderSize) % 4 == 0;
  }
  [[nodiscard]] std::optional<std::int64_t> entries_for(std::int64_t slots) const {
    const std::int64_t room = size_ - format::index_entry_position(slots, 0);
    if (slots < 1 || room < 2 * kIndexEntrySize || room % kIndexEntrySize != 0) return std::nullopt;
    return room / kIndexEntrySize;
  }

  // Whether any entry was ever written: the slot table and all entries are zero in a file without keys.
  [[nodiscard]] bool holds_nothing() const {
    if (header_.index_count > 1) return false;
    std::vector<std::byte> block(static_cast<std::size_t>(std::min(kBlock, size_)));
    for (std::int64_t at = file_.next_data(kIndexHeaderSize); at < size_;) {
      const auto got = file_.read_at(at, block);
      if (!got || *got == 0) return false;
      const auto end = block.begin() + static_cast<std::ptrdiff_t>(*got);
      if (std::any_of(block.begin(), end, [](std::byte byte) { return byte != std::byte{0}; })) return false;
      at = file_.next_data(at + static_cast<std::int64_t>(*got));
    }
    return true;
  }

  // Plays the first entries through the chains that `slots` slots would give, then looks whether the slots
  // lead back.
  [[nodiscard]] Score judge(std::int64_t slots) {
    Score score;
    const auto entries = entries_for(slots);
    if (!entries) return score;
    heads_.clear();
    judged_.clear();
    std::array<std::byte, 64 * kWindow> block{};
    std::int64_t number = 1;
    bool ended = false;
    while (number < *entries && number <= kJudgedEntries && !ended) {
      const auto got = file_.read_at(format::index_entry_position(slots, number), block);
      const std::size_t whole = got ? *got / kWindow : 0;
      if (whole == 0) break;
      for (std::size_t i = 0; i < whole && number < *entries && number <= kJudgedEntries; ++i, ++number) {
        const std::byte* at = block.data() + i * kWindow;
        // One entry of zeros can be a key of the log's first record whose hash is 0.
        if (all_zero(at) && (i + 1 == whole || all_zero(at + kWindow))) {
          ended = true;
          break;
        }
        judge_entry(IndexEntry::load(at), number, slots, score);
        // Nearly all candidates are wrong, and show it at once.
        if (number == 4 && score.good < 2) return score;
      }
    }
    if (score.total == 0) return score;
    const std::size_t step = std::max<std::size_t>(1, judged_.size() / kJudgedHeads);
    for (std::size_t i = 0; i < judged_.size(); i += step) judge_head(judged_[i], slots, *entries, score);
    score.reaches_end = header_.index_count > 1 && header_.index_count <= *entries &&
                        ends_with(slots, header_.index_count - 1, header_.end_phy_offset);
    return score;
  }

  // Calls `candidate(slots)` for every number of slots whose entry 1 would start where the header says the
  // file begins, or whose last entry lies where the header says it ends.
  template <class Visit>
  void candidates(const Visit& candidate) const {
    const std::int64_t residue = std::max<std::int64_t>((size_ - kIndexHeaderSize) / 4 % 5, 0);
    const std::int64_t first = format::index_entry_position(residue == 0 ? 5 : residue, 0);
    std::vector<std::byte> block(static_cast<std::size_t>(std::min(kBlock, size_)));
    std::int64_t position = first;  // of the window looked at; entry 0 of the first candidate
    bool zero_before = false;
    int left = kMaxCandidates;
    while (position + kIndexEntrySize <= size_) {
      const std::int64_t data = file_.next_data(position);
      if (data > position) {
        const std::int64_t skipped = (data - position) / kIndexEntrySize;
        if (skipped > 0) zero_before = true;
        position += skipped * kIndexEntrySize;
        if (position + kIndexEntrySize > size_) break;
      }
      const auto got = file_.read_at(position, block);
      const std::size_t whole = got ? *got / kWindow : 0;
      if (whole == 0) break;
      for (std::size_t i = 0; i < whole; ++i, position += kIndexEntrySize) {
        const std::byte* at = block.data() + i * kWindow;
        if (all_zero(at)) {
          zero_before = true;
          continue;
        }
        const IndexEntry entry = IndexEntry::load(at);
        const bool begins = zero_before && entry.prev_index == 0 && entry.key_hash >= 0 &&
                            entry.phy_offset == header_.begin_phy_offset;
        const bool ends =
            header_.index_count > 2 && entry.key_hash >= 0 && entry.phy_offset == header_.end_phy_offset;
        zero_before = false;
        if (begins && left-- > 0) candidate((position - kIndexHeaderSize - kIndexEntrySize) / 4);
        if (ends && left-- > 0) {
          candidate((position - kIndexHeaderSize) / 4 -
                    5 * (static_cast<std::int64_t>(header_.index_count) - 1));
        }
        if (left <= 0) return;
      }
    }
  }

 private:
  struct Judged {
    std::int64_t number;
    std::int32_t hash;
  };

  void judge_entry(const IndexEntry& entry, std::int64_t number, std::int64_t slots, Score& score) {
    ++score.total;
    if (entry.key_hash < 0) return;
    std::int64_t& head = heads_[entry.key_hash % slots];
    if (entry.prev_index == head) ++score.good;
    head = number;
    judged_.push_back({number, entry.key_hash});
  }

  void judge_head(const Judged& judged, std::int64_t slots, std::int64_t entries, Score& score) const {
    ++score.total;
    const std::int64_t slot = judged.hash % slots;
    std::array<std::byte, 4> value{};
    const auto got = file_.read_at(format::index_slot_position(slot), value);
    if (!got || *got != value.size()) return;
    const std::int64_t head = load_be<std::int32_t>(value.data());
    if (head < judged.number || head >= entries) return;
    if (const auto entry = entry_at(slots, head);
        entry && entry->key_hash >= 0 && entry->key_hash % slots == slot) {
      ++score.good;
    }
  }

  [[nodiscard]] bool ends_with(std::int64_t slots, std::int64_t number, std::int64_t phy_offset) const {
    const auto entry = entry_at(slots, number);
    return entry && entry->phy_offset == phy_offset;
  }

  [[nodiscard]] std::optional<IndexEntry> entry_at(std::int64_t slots, std::int64_t number) const {
    std::array<std::byte, kWindow> bytes{};
    const auto got = file_.read_at(format::index_entry_position(slots, number), bytes);
    if (!got || *got != bytes.size() || all_zero(bytes.data())) return std::nullopt;
    return IndexEntry::load(bytes.data());
  }

  const io::ReadFile& file_;
  std::int64_t size_;
  bool readable_ = false;
  IndexHeader header_;
  std::unordered_map<std::int64_t, std::int64_t> heads_;
  std::vector<Judged> judged_;
};

// The best of the numbers of slots tried so far.
struct Search {
  std::int64_t slots = 0;
  Score score;
  bool tie = false;

  void consider(Probe& probe, std::int64_t candidate) {
    if (candidate == slots) return;
    const Score found = probe.judge(candidate);
    if (!found.convincing()) return;
    if (slots == 0 || found.better_than(score)) {
      slots = candidate;
      score = found;
      tie = false;
    } else if (!score.better_than(found)) {
      tie = true;
    }
  }
  [[nodiscard]] IndexGeometry result(const Probe& probe) const {
    if (slots == 0) return {};
    return {slots, probe.entries_for(slots).value_or(0), tie};
  }
};

struct Evidence {
  IndexGeometry geometry;
  bool empty = false;
};

class Inference {
 public:
  Inference(const io::ReadFileSystem& files, const StoreSurvey& survey) : files_(files), survey_(survey) {}

  std::vector<IndexGeometry> run() {
    std::vector<Evidence> evidence;
    for (const IndexFileInfo& file : survey_.index_files) evidence.push_back(look(file, false));
    const bool proven = std::any_of(evidence.begin(), evidence.end(), [](const Evidence& e) {
      return e.geometry.known() && !e.geometry.ambiguous;
    });
    std::vector<IndexGeometry> result;
    for (std::size_t i = 0; i < evidence.size(); ++i) {
      if (!proven && !evidence[i].empty && !evidence[i].geometry.known()) {
        evidence[i] = look(survey_.index_files[i], true);
      }
    }
    const IndexGeometry common = majority(evidence);
    for (const Evidence& one : evidence) result.push_back(agree(one, common));
    return result;
  }

 private:
  Evidence look(const IndexFileInfo& info, bool exhaustive) {
    Evidence evidence;
    const StoreConfig& config = survey_.config;
    auto opened = files_.open(info.path);
    if (!opened) return evidence;
    Probe probe(**opened);
    if (config.index_slots && config.index_entries) {
      evidence.geometry = {*config.index_slots, *config.index_entries, false};
      return evidence;
    }
    if (config.index_slots) {
      if (const auto entries = probe.entries_for(*config.index_slots)) {
        evidence.geometry = {*config.index_slots, *entries, false};
      }
      return evidence;
    }
    if (!probe.readable() || !probe.size_fits()) return evidence;
    if (config.index_entries) {
      const std::int64_t room = probe.size() - kIndexHeaderSize - kIndexEntrySize * *config.index_entries;
      if (room >= 4) evidence.geometry = {room / 4, *config.index_entries, false};
      return evidence;
    }
    evidence.empty = probe.holds_nothing();
    constexpr std::int64_t kDefaultSize =
        format::index_entry_position(format::kDefaultIndexSlots, format::kDefaultIndexEntries);
    if (evidence.empty) {
      if (probe.size() == kDefaultSize) {
        evidence.geometry = {format::kDefaultIndexSlots, format::kDefaultIndexEntries, false};
      }
      return evidence;
    }
    // What has been proven already, and stock's default, first: a few reads instead of the whole file.
    for (const std::int64_t known : {last_proven_, std::int64_t{format::kDefaultIndexSlots}}) {
      const Score score = probe.judge(known);
      if (!score.convincing() || !score.reaches_end || score.total < 8) continue;
      evidence.geometry = {known, *probe.entries_for(known), false};
      return evidence;
    }
    Search search;
    probe.candidates([&](std::int64_t slots) { search.consider(probe, slots); });
    if (search.slots == 0) {
      search.consider(probe, format::kDefaultIndexSlots);
      if (exhaustive && probe.size() <= kExhaustiveLimit) {
        const std::int64_t most = (probe.size() - kIndexHeaderSize) / 4;
        for (std::int64_t slots = most % 5 == 0 ? 5 : most % 5; slots < most; slots += 5) {
          search.consider(probe, slots);
        }
      }
    }
    evidence.geometry = search.result(probe);
    if (evidence.geometry.known() && !evidence.geometry.ambiguous) last_proven_ = evidence.geometry.slots;
    return evidence;
  }

  // What most files prove; among equals, what files of the usual size prove.
  [[nodiscard]] IndexGeometry majority(const std::vector<Evidence>& evidence) const {
    std::map<std::pair<std::int64_t, std::int64_t>, int> votes;
    for (const Evidence& one : evidence) {
      if (!one.geometry.known() || one.geometry.ambiguous) continue;
      const bool usual = one.geometry.file_size() == survey_.index_file_size;
      votes[{one.geometry.slots, one.geometry.entries}] += usual ? 3 : 2;
    }
    IndexGeometry best;
    int most = 0;
    for (const auto& [key, count] : votes) {
      if (count <= most) continue;
      most = count;
      best = {key.first, key.second, false};
    }
    return best;
  }

  // A file with the usual slots but another room for entries was cut or lengthened: nobody configures that.
  [[nodiscard]] static IndexGeometry agree(const Evidence& one, const IndexGeometry& common) {
    if (!common.known()) return one.geometry;
    if (!one.geometry.known() || one.geometry.ambiguous) return common;
    return one.geometry.slots == common.slots ? common : one.geometry;
  }

  const io::ReadFileSystem& files_;
  const StoreSurvey& survey_;
  std::int64_t last_proven_ = 0;
};

}  // namespace

std::vector<IndexGeometry> infer_index_geometries(const io::ReadFileSystem& files,
                                                  const StoreSurvey& survey) {
  return Inference(files, survey).run();
}

}  // namespace rmq::scan
