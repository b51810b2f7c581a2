// rmq-dump index: headers, entries in their order, and with --chains every slot's chain.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_index_lookup.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_text.h"

namespace rmq::forensics {
namespace {

// A chain that is longer is shown up to here; its length is told.
constexpr std::size_t kShownLinks = 1000;
constexpr std::int64_t kReportEvery = 4096;

struct Chain {
  std::int64_t slot = 0;
  std::vector<std::int64_t> links;  // entry numbers, newest first
  std::int64_t length = 0;
  std::string_view end = "end";  // or what is wrong with it
};

class IndexDump {
 public:
  IndexDump(const DumpInput& input, const DumpOptions& options, DumpSummary& summary, ByteSink& out)
      : input_(input),
        options_(options),
        summary_(summary),
        output_(options.filter, summary, out),
        time_(options.utc) {}

  void run() {
    const auto geometries = scan::infer_index_geometries(input_.files, input_.survey);
    const auto& files = input_.survey.index_files;
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!options_.index_file.empty() && files[i].name != options_.index_file) continue;
      summary_.bytes_expected += files[i].size;
      input_.observer.expect(files[i].size);
      auto opened = input_.files.open(files[i].path);
      if (!opened) {
        summary_.faults.push_back(opened.error().message());
        continue;
      }
      IndexFileReader index(*std::move(opened), geometries[i]);
      if (!dump(files[i], index)) break;
    }
    output_.finish();
  }

 private:
  bool dump(const scan::IndexFileInfo& file, IndexFileReader& index) {
    if (!print_header(file, index)) return false;
    if (!index.geometry().known()) {
      summary_.notes.push_back(file.shown +
                               ": how many slots it has cannot be told, so its entries are not shown");
      return true;
    }
    if (index.geometry().ambiguous) {
      summary_.notes.push_back(file.shown +
                               ": the number of slots is a guess, another one explains the file as well; " +
                               "give --broker-conf to be sure");
    }
    if (options_.chains) return dump_chains(file, index);
    std::int64_t reported = 0;
    for (std::int64_t number = 1; number < index.entry_end(); ++number) {
      const auto entry = index.entry(number);
      if (!entry) break;
      if (number - reported >= kReportEvery) {
        input_.observer.advance((number - reported) * format::kIndexEntrySize);
        reported = number;
      }
      if (input_.observer.cancelled()) {
        summary_.stopped = true;
        return false;
      }
      if ((options_.filter.from && entry->phy_offset < *options_.filter.from) ||
          (options_.filter.to && entry->phy_offset >= *options_.filter.to)) {
        continue;
      }
      if (!print_entry(file, index, number, *entry)) return false;
    }
    finish_file(file, index);
    return true;
  }

  void finish_file(const scan::IndexFileInfo& file, const IndexFileReader& index) {
    if (index.failed()) {
      summary_.faults.push_back("could not read all of " + file.shown);
    } else {
      summary_.bytes_checked += file.size;
    }
  }

  bool print_header(const scan::IndexFileInfo& file, const IndexFileReader& index) {
    const format::IndexHeader& header = index.header();
    if (options_.format == OutputFormat::json) {
      json_.clear();
      begin_line(json_, "indexHeader");
      json_.field("file", file.name);
      json_.field("size", file.size);
      if (index.has_header()) {
        json_.field("beginTimestamp", header.begin_timestamp);
        json_.field("endTimestamp", header.end_timestamp);
        json_.field("beginPhyOffset", header.begin_phy_offset);
        json_.field("endPhyOffset", header.end_phy_offset);
        json_.field("hashSlotCount", header.hash_slot_count);
        json_.field("indexCount", header.index_count);
      }
      json_.key("slots");
      if (index.geometry().known()) {
        json_.value(index.geometry().slots);
        json_.field("maxIndexNum", index.geometry().entries);
        json_.field("slotsAmbiguous", index.geometry().ambiguous);
      } else {
        json_.value(nullptr);
      }
      end_line(json_);
      return output_.line(json_.text(), false);
    }
    text_ = fmt::format("{}  {}", file.name, size_text(file.size));
    if (index.has_header()) {
      fmt::format_to(std::back_inserter(text_), "  {} entries  {} slots used",
                     std::max(header.index_count, 1) - 1, header.hash_slot_count);
      if (index.geometry().known()) {
        fmt::format_to(std::back_inserter(text_), " of {}{}", index.geometry().slots,
                       index.geometry().ambiguous ? " (a guess)" : "");
      }
      fmt::format_to(std::back_inserter(text_), "\n    messages {} to {}  stored {} to {}\n",
                     header.begin_phy_offset, header.end_phy_offset, time_.text(header.begin_timestamp),
                     time_.text(header.end_timestamp));
    } else {
      text_ += "  too short for a header\n";
    }
    if (!options_.chains) {
      fmt::format_to(std::back_inserter(text_), "{:>10} {:>11} {:>16} {:>10} {:>10} {:>10}\n", "n", "keyHash",
                     "phyOffset", "timeDiff", "prev", "slot");
    }
    return output_.line(text_, false);
  }

  bool print_entry(const scan::IndexFileInfo& file, const IndexFileReader& index, std::int64_t number,
                   const format::IndexEntry& entry) {
    const std::int64_t slot = entry.key_hash % index.geometry().slots;
    if (options_.format == OutputFormat::json) {
      json_.clear();
      begin_line(json_, "indexEntry");
      json_.field("file", file.name);
      json_.field("n", number);
      json_.field("keyHash", entry.key_hash);
      json_.field("phyOffset", entry.phy_offset);
      json_.field("timeDiff", entry.time_diff_seconds);
      json_.field("prev", entry.prev_index);
      json_.field("slot", slot);
      end_line(json_);
      return output_.line(json_.text());
    }
    text_ = fmt::format("{:>10} {:>11} {:>16} {:>10} {:>10} {:>10}\n", number, entry.key_hash,
                        entry.phy_offset, entry.time_diff_seconds, entry.prev_index, slot);
    return output_.line(text_);
  }

  bool dump_chains(const scan::IndexFileInfo& file, IndexFileReader& index) {
    std::vector<bool> reached(static_cast<std::size_t>(index.entry_end()));
    for (std::int64_t slot = 0; slot < index.geometry().slots; ++slot) {
      if (input_.observer.cancelled()) {
        summary_.stopped = true;
        return false;
      }
      const std::int64_t head = index.slot(slot).value_or(0);
      if (head == 0) continue;
      const Chain chain = follow(index, slot, head, reached);
      if (!print_chain(file, chain)) return false;
    }
    input_.observer.advance(file.size);
    finish_file(file, index);
    return true;
  }

  static Chain follow(IndexFileReader& index, std::int64_t slot, std::int64_t head,
                      std::vector<bool>& reached) {
    Chain chain;
    chain.slot = slot;
    std::int64_t number = head;
    while (number != 0) {
      if (number < 0 || number >= index.entry_end()) {
        chain.end = "leads out of the file's entries";
        break;
      }
      if (reached[static_cast<std::size_t>(number)]) {
        chain.end =
            std::ranges::find(chain.links, number) != chain.links.end() ? "loops" : "runs into another chain";
        break;
      }
      const auto entry = index.entry(number);
      if (!entry) {
        chain.end = "cannot be read";
        break;
      }
      if (entry->key_hash % index.geometry().slots != slot) {
        chain.end = "leads to an entry of another slot";
        break;
      }
      reached[static_cast<std::size_t>(number)] = true;
      ++chain.length;
      if (chain.links.size() < kShownLinks) chain.links.push_back(number);
      number = entry->prev_index;
    }
    return chain;
  }

  bool print_chain(const scan::IndexFileInfo& file, const Chain& chain) {
    if (options_.format == OutputFormat::json) {
      json_.clear();
      begin_line(json_, "indexChain");
      json_.field("file", file.name);
      json_.field("slot", chain.slot);
      json_.field("length", chain.length);
      json_.field("end", chain.end);
      json_.key("entries");
      json_.begin_array();
      for (const std::int64_t number : chain.links) json_.value(number);
      json_.end_array();
      end_line(json_);
      return output_.line(json_.text());
    }
    text_ = fmt::format("    slot {:>8}  {:>8} entries:", chain.slot, chain.length);
    for (const std::int64_t number : chain.links) fmt::format_to(std::back_inserter(text_), " {}", number);
    if (chain.length > static_cast<std::int64_t>(chain.links.size())) text_ += " ...";
    if (chain.end != "end") fmt::format_to(std::back_inserter(text_), "  -- {}", chain.end);
    text_ += '\n';
    return output_.line(text_);
  }

  const DumpInput& input_;
  const DumpOptions& options_;
  DumpSummary& summary_;
  LineOutput output_;
  TimeText time_;
  json::JsonLine json_;
  std::string text_;
};

}  // namespace

Result<DumpSummary> dump_index(const DumpInput& input, const DumpOptions& options, ByteSink& out) {
  const auto& files = input.survey.index_files;
  if (!options.index_file.empty() &&
      std::ranges::find(files, options.index_file, &scan::IndexFileInfo::name) == files.end()) {
    return wrong_use("no index file '" + options.index_file + "' in this store; rmq-dump state lists them");
  }
  DumpSummary summary;
  IndexDump(input, options, summary, out).run();
  return summary;
}

}  // namespace rmq::forensics
