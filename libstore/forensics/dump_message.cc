// rmq-dump msg: one record, field by field with its place, a hexdump, and what queues say about it.
#include <fmt/format.h>

#include <array>
#include <iterator>
#include <string>

#include "libstore/bytes/big_endian.h"
#include "libstore/forensics/dump.h"
#include "libstore/forensics/dump_index_lookup.h"
#include "libstore/forensics/dump_json.h"
#include "libstore/forensics/dump_output.h"
#include "libstore/forensics/dump_text.h"
#include "libstore/forensics/message_name.h"
#include "libstore/format/message_properties.h"

namespace rmq::forensics {
namespace {

// Where the text's layout formulas put a field of this record (B, S: host sizes, L: topic length's size, n,
// t, p).
struct FieldPlace {
  std::string_view name;
  std::size_t at = 0;
  std::size_t size = 0;
};
std::vector<FieldPlace> places(const format::MessageView& m) {
  const std::size_t born = m.born_host.address.size() + 4;
  const std::size_t store = m.store_host.address.size() + 4;
  const std::size_t topic_length = m.version == 1 ? 1 : 2;
  std::vector<FieldPlace> found;
  std::size_t at = 0;
  for (const LayoutField& field : format::kRecordLayout) {
    const std::size_t size = field.size == "B"   ? born
                             : field.size == "S" ? store
                             : field.size == "n" ? m.body.size()
                             : field.size == "L" ? topic_length
                             : field.size == "t" ? m.topic.size()
                             : field.size == "p" ? m.properties.size()
                                                 : static_cast<std::size_t>(field.size.front() - '0');
    found.push_back({field.name, at, size});
    at += size;
  }
  return found;
}

class MessageDump {
 public:
  MessageDump(const DumpInput& input, const DumpOptions& options, DumpSummary& summary, ByteSink& out)
      : input_(input),
        options_(with_join(options)),
        summary_(summary),
        output_(options_.filter, summary, out),
        records_(input.files, input.survey),
        time_(options.utc) {
    if (!input.survey.queues.empty()) queues_.emplace(input.files, input.survey);
  }

  void run() {
    if (const auto record = find()) {
      print(*record);
    } else {
      summary_.found = false;
      summary_.notes.push_back(typed_offset(options_.key)
                                   ? "no message begins at offset " + options_.key +
                                         "; rmq-dump log lists those that are there"
                                   : "no message '" + options_.key + "' in this store");
    }
    output_.finish();
  }

 private:
  static DumpOptions with_join(const DumpOptions& options) {
    DumpOptions copy = options;
    copy.join = true;
    if (copy.format == OutputFormat::text) copy.properties = PropertyForm::all;
    return copy;
  }

  std::optional<DumpRecord> find() {
    if (const auto offset = typed_offset(options_.key)) return records_.read(*offset);
    if (const auto offset = offset_of_message_id(options_.key)) {
      const auto record = records_.read(*offset);
      std::string id = options_.key;
      for (char& c : id) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
      // An id of the same shape may also be a UNIQ_KEY.
      if (record && format::offset_message_id(record->message) == id) return record;
    }
    if (const auto offset = find_in_index()) return records_.read(*offset);
    return find_in_log();
  }

  [[nodiscard]] bool is_wanted(const format::MessageView& message) const {
    const auto uniq_key = format::find_property(message.properties, format::kPropertyUniqKey);
    return uniq_key && *uniq_key == options_.key;
  }

  std::optional<std::int64_t> find_in_index() {
    IndexLookup index(input_.files, input_.survey, summary_);
    std::string last_topic;
    for (const scan::Queue& queue : input_.survey.queues) {
      if (queue.topic == last_topic) continue;
      last_topic = queue.topic;
      for (const IndexHit& hit : index.find(queue.topic, options_.key, {})) {
        const auto record = records_.read(hit.phy_offset);
        if (record && is_wanted(record->message)) return hit.phy_offset;
      }
    }
    return std::nullopt;
  }

  // The long way: an index may be missing or behind.
  std::optional<DumpRecord> find_in_log() {
    summary_.notes.emplace_back("not in the index; the whole log was searched");
    for (const scan::MappedFile& file : input_.survey.commit_log.files) {
      summary_.bytes_expected += file.size;
      input_.observer.expect(file.size);
    }
    const auto& files = input_.survey.commit_log.files;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const auto opened = input_.files.open(files[i].path);
      if (!opened) {
        summary_.faults.push_back(opened.error().message());
        continue;
      }
      scan::CommitLogWalker::Options walk;
      walk.records_start = scan::records_start(**opened, files[i].start).value_or(files[i].start);
      walk.file_size = input_.survey.commit_log.file_size;
      walk.dledger = input_.survey.commit_log_is_dledger;
      scan::CommitLogWalker walker(**opened, walk);
      while (const auto item = walker.next()) {
        summary_.bytes_checked += item->length;
        input_.observer.advance(item->length);
        if (input_.observer.cancelled()) return std::nullopt;
        if (item->kind == scan::LogItemKind::record && is_wanted(item->message)) {
          return records_.read(files[i].start + item->position, i);
        }
      }
    }
    return std::nullopt;
  }

  void print(const DumpRecord& record) {
    summary_.bytes_checked += record.message.total_size;
    summary_.bytes_expected += record.message.total_size;
    DumpQueueTable* queues = queues_ ? &*queues_ : nullptr;
    if (options_.format == OutputFormat::json) {
      json::JsonLine json;
      RecordJson(options_, queues).line(json, record);
      output_.line(json.text());
      return;
    }
    std::string text = RecordText::header();
    RecordText(options_, queues).line(text, record);
    text += '\n';
    annotate(text, record);
    output_.line(text);
  }

  // Every field: where it lies, what it says; then all bytes.
  void annotate(std::string& text, const DumpRecord& record) {
    const format::MessageView& m = record.message;
    fmt::format_to(std::back_inserter(text), "{:>8} {:>8}  {:<26} {}\n", "position", "bytes", "field",
                   "value");
    for (const FieldPlace& place : places(m)) {
      fmt::format_to(std::back_inserter(text), "{:>8} {:>8}  {:<26} ", place.at, place.size, place.name);
      append_visible(text, value(place, record));
      text += '\n';
    }
    text += '\n';
    append_hexdump(text, record.bytes, record.phy_offset, "  ");
  }

  std::string value(const FieldPlace& place, const DumpRecord& record) {
    const format::MessageView& m = record.message;
    const auto shown = record.bytes.subspan(place.at, place.size);
    if (place.name == "MAGIC")
      return fmt::format("0x{:08X} (version {})", load_be<std::uint32_t>(shown.data()), m.version);
    if (place.name == "BODYCRC")
      return fmt::format("{} ({})", m.body_crc, m.body_crc_matches() ? "matches" : "DIFFERS");
    if (place.name == "SYSFLAG") return fmt::format("0x{:X}", m.sys_flag);
    if (place.name == "BORNTIMESTAMP")
      return fmt::format("{} ({})", m.born_timestamp, time_.text(m.born_timestamp));
    if (place.name == "STORETIMESTAMP")
      return fmt::format("{} ({})", m.store_timestamp, time_.text(m.store_timestamp));
    if (place.name == "BORNHOST") return format::to_string(m.born_host);
    if (place.name == "STOREHOST") return format::to_string(m.store_host);
    if (place.name == "PHYSICALOFFSET" && m.physical_offset != record.phy_offset) {
      return fmt::format("{} (but it lies at {})", m.physical_offset, record.phy_offset);
    }
    if (place.name == "TOPIC") return std::string(m.topic);
    if (place.name == "BODY" || place.name == "PROPERTIES") return "";
    switch (place.size) {
      case 1: return std::to_string(load_be<std::int8_t>(shown.data()));
      case 2: return std::to_string(load_be<std::int16_t>(shown.data()));
      case 4: return std::to_string(load_be<std::int32_t>(shown.data()));
      case 8: return std::to_string(load_be<std::int64_t>(shown.data()));
      default: return "";
    }
  }

  const DumpInput& input_;
  const DumpOptions options_;
  DumpSummary& summary_;
  LineOutput output_;
  RecordReader records_;
  TimeText time_;
  std::optional<DumpQueueTable> queues_;
};

}  // namespace

Result<DumpSummary> dump_message(const DumpInput& input, const DumpOptions& options, ByteSink& out) {
  DumpSummary summary;
  MessageDump(input, options, summary, out).run();
  return summary;
}

}  // namespace rmq::forensics
