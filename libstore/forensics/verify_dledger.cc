// A DLedger log: the heads of its entries, its index and its small state files. The records in the entries
// are the commit log's, and the log pass has judged them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/part_files.h"
#include "libstore/forensics/verify_context.h"
#include "libstore/format/dledger_entry.h"
#include "libstore/format/dledger_index_unit.h"
#include "libstore/format/dledger_state.h"

namespace rmq::forensics {
namespace {

using format::DledgerEntry;
using format::DledgerIndexUnit;
using format::kDledgerEntryHeaderSize;
using format::kDledgerIndexUnitSize;

constexpr std::int64_t kHead =
    kDledgerEntryHeaderSize + format::kBlankSize;  // with the record's size and magic
constexpr std::int64_t kMaxStateFile = 1 << 20;
constexpr std::int64_t kBlock = 256 << 10;
constexpr std::size_t kMaxFindings = 1000;  // of one code

class DledgerCheck {
 public:
  DledgerCheck(VerifyContext& context, const std::string& directory)
      : context_(context),
        directory_(directory),
        index_(collect_part_files(context.survey, directory + "/index")),
        index_reader_(context.files, index_) {}

  void run() {
    check_part_files(context_, index_, "DL-FILE", "DLedger index");
    if (!context_.at_least(VerifyLevel::normal)) return;
    walk_log();
    if (context_.cancelled()) return;
    if (index_.files.empty() && entries_ > 0) {
      context_.add("DL-FILE", Severity::degraded, directory_ + "/index", 0, 0,
                   "there is no index of the log's entries: none can be sent to a follower");
    }
    for (const scan::MappedFile& file : index_.files) walk_index(file);
    checkpoint("checkpoint");
    checkpoint("checkpoint.bak");
    term("currterm");
    term("currterm.bak");
  }

 private:
  // ---- entries

  void walk_log() {
    for (const scan::MappedFile& mapped : context_.survey.commit_log.files) {
      if (context_.cancelled()) return;
      if (!mapped.shown.starts_with(directory_ + '/')) continue;
      if (mapped.start != next_start_) previous_.reset();
      next_start_ = mapped.start + mapped.size;
      const auto file = context_.files.open(mapped.path);
      if (!file) {
        previous_.reset();  // told with the log
        continue;
      }
      walk_file(**file, mapped);
    }
  }

  void walk_file(const io::ReadFile& file, const scan::MappedFile& mapped) {
    const auto report =
        std::ranges::find(context_.reports, &mapped, [](const LogFileReport& of) { return of.file.file; });
    const std::int64_t data_end = report == context_.reports.end() ? file.size() : report->data_end;
    std::array<std::byte, kHead> head{};
    for (std::int64_t at = 0; at + format::kDledgerBlankSize <= file.size() && !context_.cancelled();) {
      if (!read_head(file, at, head)) return previous_.reset();
      if (at >= data_end) {
        // A truncation zeroes nothing: entries that lie behind the last live record are of the time before
        // it.
        const bool blank = load_be<std::int32_t>(head.data()) == format::kDledgerBlankMagic;
        if (blank && !format::is_dledger_blank(head, file.size() - at)) {
          add("DL-ENTRY", Severity::degraded, mapped.shown, at, format::kDledgerBlankSize,
              fmt::format("the blank that ends the file says {} bytes, {} are left",
                          load_be<std::int32_t>(head.data() + 4), file.size() - at));
        }
        return;
      }
      const std::int64_t length = is_zero(head) ? 0 : entry_length(file, mapped, at, head);
      if (length == 0) {  // the log pass tells it as a gap
        previous_.reset();
        at = next_entry(file, mapped, at + 1);
        continue;
      }
      judge(file, mapped, at, length, DledgerEntry::load(head.data()));
      at += length;
    }
  }

  // Zeros stand for what lies behind the file's end.
  static bool read_head(const io::ReadFile& file, std::int64_t at, std::array<std::byte, kHead>& head) {
    head.fill(std::byte{0});
    const auto wanted = static_cast<std::size_t>(std::min(kHead, file.size() - at));
    const auto got = file.read_at(at, std::span(head).first(wanted));
    return got && *got == wanted;
  }

  // How long the entry at `at` is, by its head or by its record, whichever leads to where an entry can be; 0:
  // there is none.
  static std::int64_t entry_length(const io::ReadFile& file, const scan::MappedFile& mapped, std::int64_t at,
                                   const std::array<std::byte, kHead>& head) {
    const auto entry = DledgerEntry::parse(head);
    const auto record_size = load_be<std::int32_t>(head.data() + kDledgerEntryHeaderSize);
    const auto record_magic =
        load_be<std::int32_t>(head.data() + kDledgerEntryHeaderSize + format::kRecordMagicOffset);
    const bool record = (record_magic == format::kMagicV1 || record_magic == format::kMagicV2) &&
                        record_size >= format::kMinRecordSize && record_size <= format::kMaxRecordSize;
    const std::int64_t by_record = record ? kDledgerEntryHeaderSize + record_size : 0;
    const std::int64_t by_head = entry && entry->pos == mapped.start + at ? entry->size : 0;
    for (const std::int64_t length : {by_head, by_record}) {
      if (length > 0 && length <= file.size() - at && may_begin(file, mapped, at + length)) return length;
    }
    return by_head > 0 && by_head == by_record && by_head <= file.size() - at ? by_head : 0;
  }

  // Can an entry begin here, or the end of the file's entries?
  static bool may_begin(const io::ReadFile& file, const scan::MappedFile& mapped, std::int64_t at) {
    std::array<std::byte, kHead> head{};
    if (at == file.size()) return true;
    if (!read_head(file, at, head)) return false;
    if (is_zero(head) || load_be<std::int32_t>(head.data()) == format::kDledgerBlankMagic) return true;
    const DledgerEntry entry = DledgerEntry::load(head.data());
    const auto magic =
        load_be<std::int32_t>(head.data() + kDledgerEntryHeaderSize + format::kRecordMagicOffset);
    return entry.pos == mapped.start + at || magic == format::kMagicV1 || magic == format::kMagicV2;
  }

  // The first place from `from` on where an entry's head stands that says so itself; the file's end without
  // one.
  [[nodiscard]] std::int64_t next_entry(const io::ReadFile& file, const scan::MappedFile& mapped,
                                        std::int64_t from) {
    std::vector<std::byte> block(kBlock);
    for (std::int64_t at = from; at + kDledgerEntryHeaderSize <= file.size() && !context_.cancelled();
         at += kBlock - kDledgerEntryHeaderSize + 1) {
      const auto got = file.read_at(
          at, std::span(block).first(static_cast<std::size_t>(std::min(kBlock, file.size() - at))));
      if (!got) continue;
      for (std::size_t i = 0; i + kDledgerEntryHeaderSize <= *got; ++i) {
        if (load_be<std::int64_t>(block.data() + i + 24) != mapped.start + at + static_cast<std::int64_t>(i))
          continue;
        const auto entry = DledgerEntry::parse(std::span<const std::byte>(block).subspan(i));
        if (entry && entry->magic == format::kDledgerMagic) return at + static_cast<std::int64_t>(i);
      }
    }
    return file.size();
  }

  void judge(const io::ReadFile& file, const scan::MappedFile& mapped, std::int64_t at, std::int64_t length,
             const DledgerEntry& entry) {
    DledgerEntry wanted;
    wanted.size = static_cast<std::int32_t>(length);
    wanted.body_size = static_cast<std::int32_t>(length - kDledgerEntryHeaderSize);
    wanted.pos = mapped.start + at;
    wanted.index = previous_ ? previous_->index + 1 : first_index(file, at + length, entry);
    const auto unit = index_unit(wanted.index);
    wanted.term = entry.term;
    if (previous_ && entry.term != previous_->term) {
      // A new leader's first entry; the index was told the same.
      const bool new_term =
          entry.term > previous_->term && (!unit || unit->pos != wanted.pos || unit->term == entry.term);
      if (!new_term) wanted.term = previous_->term;
    } else if (!previous_ && unit && unit->pos == wanted.pos && unit->term < entry.term) {
      wanted.term = unit->term;
    }
    ++entries_;
    if (entries_ == 1) first_index_ = wanted.index;
    last_index_ = std::max(last_index_, wanted.index);
    last_term_ = std::max(last_term_, wanted.term);
    previous_ = wanted;
    if (entry != wanted) tell_entry(mapped, at, entry, wanted);
    if (!index_.files.empty()) compare(unit, wanted);
  }

  // The index of an entry whose predecessor is not known: its successor's has to follow it.
  static std::int64_t first_index(const io::ReadFile& file, std::int64_t next, const DledgerEntry& entry) {
    std::array<std::byte, kHead> head{};
    if (!read_head(file, next, head)) return entry.index;
    const auto successor = DledgerEntry::parse(head);
    return successor && successor->index > 0 && successor->index < scan::kLargestFileStart
               ? successor->index - 1
               : entry.index;
  }

  void tell_entry(const scan::MappedFile& mapped, std::int64_t at, const DledgerEntry& entry,
                  const DledgerEntry& wanted) {
    std::string what;
    const auto differs = [&](std::string_view name, std::int64_t is, std::int64_t should) {
      if (is != should)
        what += fmt::format("{}{} {} instead of {}", what.empty() ? "" : ", ", name, is, should);
    };
    differs("magic", entry.magic, wanted.magic);
    differs("size", entry.size, wanted.size);
    differs("body size", entry.body_size, wanted.body_size);
    differs("index", entry.index, wanted.index);
    differs("term", entry.term, wanted.term);
    differs("position", entry.pos, wanted.pos);
    const bool serious = !what.empty();
    differs("channel", entry.channel, 0);
    differs("chain CRC", entry.chain_crc, 0);
    differs("body CRC", entry.body_crc, 0);
    add("DL-ENTRY", serious ? Severity::degraded : Severity::benign, mapped.shown, at,
        kDledgerEntryHeaderSize,
        fmt::format("the head of entry {} says {}{}", wanted.index, what,
                    serious ? ": a stock broker that starts cuts the log here if it reads this file (one of "
                              "the last three)"
                            : ""));
  }

  // ---- the index

  [[nodiscard]] std::optional<DledgerIndexUnit> index_unit(std::int64_t index) {
    if (index < 0 || index > scan::kLargestFileStart / kDledgerIndexUnitSize) return std::nullopt;
    std::array<std::byte, kDledgerIndexUnitSize> bytes{};
    if (!index_reader_.read(index * kDledgerIndexUnitSize, bytes)) return std::nullopt;
    return DledgerIndexUnit::load(bytes.data());
  }

  void compare(const std::optional<DledgerIndexUnit>& unit, const DledgerEntry& entry) {
    const DledgerIndexUnit wanted{entry.magic, entry.pos, entry.size, entry.index, entry.term};
    if (unit == wanted) return;
    const std::int64_t offset = entry.index * kDledgerIndexUnitSize;
    const scan::MappedFile* const file = index_.file_of(offset);
    if (file == nullptr) {
      if (!missing_told_.insert(index_.file_size > 0 ? offset / index_.file_size : 0).second) return;
      add("DL-FILE", Severity::degraded, index_.directory, 0, 0,
          fmt::format("no index file has entry {} and those behind it: a stock broker makes it again at its "
                      "next start",
                      entry.index));
      return;
    }
    tell_unit(*file, offset - file->start, Severity::degraded,
              fmt::format("the index unit of entry {} says {} bytes at {}, it has {} at {}: it cannot be "
                          "sent to a follower; a stock "
                          "broker that starts sets units of the last three files right",
                          entry.index, unit ? unit->size : 0, unit ? unit->pos : 0, entry.size, entry.pos));
  }

  // Units that no entry has: those of entries that have expired, and what lies behind the last.
  void walk_index(const scan::MappedFile& mapped) {
    const auto file = context_.files.open(mapped.path);
    if (!file) return count_file(context_, mapped, 0);
    const std::int64_t read =
        for_each_piece(**file, kDledgerIndexUnitSize, [&](std::int64_t at, std::span<const std::byte> bytes) {
          for (std::size_t i = 0; i + kDledgerIndexUnitSize <= bytes.size(); i += kDledgerIndexUnitSize) {
            const std::int64_t position = at + static_cast<std::int64_t>(i);
            const std::int64_t index = (mapped.start + position) / kDledgerIndexUnitSize;
            if ((entries_ > 0 && index >= first_index_ && index <= last_index_) ||
                is_zero(bytes.subspan(i, kDledgerIndexUnitSize)))
              continue;
            const DledgerIndexUnit unit = DledgerIndexUnit::load(bytes.data() + i);
            if (unit.index == index && unit.magic == format::kDledgerMagic) continue;
            tell_unit(mapped, position, Severity::benign,
                      fmt::format("the index unit of entry {}, which is not in the log, is damaged", index));
          }
          return !context_.cancelled();
        });
    count_file(context_, mapped, read);
  }

  // Units beside each other are one finding.
  void tell_unit(const scan::MappedFile& file, std::int64_t position, Severity severity, std::string what) {
    if (last_unit_ < context_.findings.size()) {
      Finding& before = context_.findings[last_unit_];
      if (before.code == "DL-INDEX" && before.severity == severity && before.file == file.shown &&
          before.offset + before.length == position) {
        before.length += kDledgerIndexUnitSize;
        ++before.consequences;
        return;
      }
    }
    last_unit_ = context_.findings.size();
    add("DL-INDEX", severity, file.shown, position, kDledgerIndexUnitSize, std::move(what));
  }

  // ---- state files

  [[nodiscard]] const scan::OtherFile* find(std::string_view name) const {
    for (const scan::OtherFile& other : context_.survey.others) {
      if (other.part == scan::OtherPart::dledger && other.shown == directory_ + '/' + std::string(name))
        return &other;
    }
    return nullptr;
  }

  std::optional<std::string> text_of(const scan::OtherFile* file) {
    if (file == nullptr) return std::nullopt;
    const auto bytes = io::read_all(context_.files, file->path, kMaxStateFile);
    count_file(context_, *file, bytes ? file->size : 0);
    if (!bytes) return std::nullopt;
    return std::string(as_text(*bytes));
  }

  void tell_state(const scan::OtherFile& file, std::string what) {
    const bool spare = file.name.ends_with(".bak");
    context_.add("DL-STATE", spare ? Severity::benign : Severity::degraded, file.shown, 0,
                 std::max<std::int64_t>(file.size, 1), std::move(what));
  }

  void checkpoint(std::string_view name) {
    const scan::OtherFile* const file = find(name);
    const auto text = text_of(file);
    if (!text) return;
    const auto point = format::DledgerCheckpoint::parse(*text);
    if (!point) return tell_state(*file, "a value in it is no number");
    if (!point->end_index || !point->committed_index)
      return tell_state(*file, "endIndex or committedIndex is missing");
    if (*point->committed_index > *point->end_index) {
      tell_state(*file, fmt::format("says that entries up to {} are committed, and that {} is the last",
                                    *point->committed_index, *point->end_index));
    } else if (entries_ > 0 && *point->end_index > last_index_) {
      tell_state(*file, fmt::format("says that entry {} is the last, the log ends with {}", *point->end_index,
                                    last_index_));
    } else if (*point->end_index < -1 || *point->committed_index < -1) {
      tell_state(*file, "says an index below -1");
    } else if (entries_ > 0 && !name.ends_with(".bak") && !context_.survey.abort &&
               *point->end_index != last_index_) {
      context_.add(
          "DL-STATE", Severity::benign, file->shown, 0, file->size,
          fmt::format("says that entry {} is the last, the log ends with {}: it was not saved at the stop",
                      *point->end_index, last_index_));
    }
  }

  void term(std::string_view name) {
    const scan::OtherFile* const file = find(name);
    const auto text = text_of(file);
    if (!text) return;
    const auto term = format::DledgerTerm::parse(*text);
    if (!term) {
      tell_state(*file, "currTerm is no number");
    } else if (!term->term || *term->term < 0) {
      tell_state(*file, "says no term");
    } else if (!name.ends_with(".bak") && entries_ > 0 && *term->term < last_term_) {
      tell_state(*file, fmt::format("says term {}, the log has entries of term {}", *term->term, last_term_));
    }
  }

  void add(std::string_view code, Severity severity, const std::string& file, std::int64_t offset,
           std::int64_t length, std::string what) {
    if (++told_ > kMaxFindings) return;
    if (told_ == kMaxFindings) what += " (and more like it)";
    context_.add(code, severity, file, offset, length, std::move(what));
  }

  VerifyContext& context_;
  const std::string directory_;
  const PartFiles index_;
  PartReader index_reader_;
  std::int64_t next_start_ = -1;
  std::optional<DledgerEntry> previous_;  // as it should be; nothing behind a gap
  std::int64_t entries_ = 0;
  std::int64_t first_index_ = 0;
  std::int64_t last_index_ = -1;
  std::int64_t last_term_ = 0;
  std::set<std::int64_t> missing_told_;
  std::size_t last_unit_ = static_cast<std::size_t>(-1);
  std::size_t told_ = 0;
};

}  // namespace

void verify_dledger(VerifyContext& context) {
  // Beside a running broker the survey leaves index and state files out.
  const bool looked_for = std::ranges::any_of(context.survey.others, [](const scan::OtherFile& other) {
    return other.part == scan::OtherPart::dledger;
  });
  if (!context.survey.commit_log_is_dledger || !looked_for) return;
  std::set<std::string> directories;
  for (const scan::MappedFile& file : context.survey.commit_log.files)
    directories.insert(file.shown.substr(0, file.shown.find('/')));
  for (const std::string& directory : directories) DledgerCheck(context, directory).run();
}

}  // namespace rmq::forensics
