#include "libstore/forensics/snapshot.h"

#include <algorithm>
#include <set>
#include <utility>

#include "libstore/codec/archive_writer.h"
#include "libstore/forensics/redact.h"
#include "libstore/format/config_files.h"
#include "libstore/recovery/store_listing.h"

namespace rmq::forensics {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr const char* kTop = "store";

// Behind the last byte that is not zero. Holes are not read.
Result<std::int64_t> used_end(const io::ReadFile& file, std::int64_t size) {
  std::vector<std::byte> block(kBlock);
  for (std::int64_t end = size; end > 0;) {
    const std::int64_t from = std::max<std::int64_t>(0, end - static_cast<std::int64_t>(kBlock));
    if (file.next_data(from) < end) {
      RMQ_TRY(got, file.read_at(from, std::span(block).first(static_cast<std::size_t>(end - from))));
      while (got > 0 && block[got - 1] == std::byte{0}) --got;
      if (got > 0) return from + static_cast<std::int64_t>(got);
    }
    end = from;
  }
  return 0;
}

class SnapshotWriter {
 public:
  SnapshotWriter(const DumpInput& input, codec::ArchiveWriter::Sink sink)
      : input_(input), archive_(std::move(sink)) {
    const scan::StoreSurvey& survey = input.survey;
    // What is known to hold no word of a message goes as it is, everything else blanked.
    for (const scan::Queue& queue : survey.queues) {
      for (const auto* set : {&queue.files, &queue.ext})
        for (const scan::MappedFile& file : set->files) plain_.insert(file.path);
    }
    for (const scan::IndexFileInfo& file : survey.index_files) plain_.insert(file.path);
    for (const auto* file : {&survey.checkpoint, &survey.abort, &survey.lock})
      if (*file) plain_.insert((*file)->path);
    for (const scan::StoreFile& file : survey.config_files) {
      const std::string_view name = file.name.ends_with(".bak")
                                        ? std::string_view(file.name).substr(0, file.name.size() - 4)
                                        : std::string_view(file.name);
      if (std::ranges::any_of(format::config_files(), [&](const auto& known) { return known.name == name; }))
        plain_.insert(file.path);
    }
    if (survey.commit_log_is_dledger) {
      for (const scan::MappedFile& file : survey.commit_log.files) dledger_.insert(file.path);
    }
    for (const scan::OtherFile& file : survey.others) {
      const bool log = file.shown.starts_with("compaction/compactionLog/");
      if (file.part != scan::OtherPart::unknown && !log) plain_.insert(file.path);
    }
  }

  Result<SnapshotSummary> run() {
    RMQ_TRY(tree, list_all());
    std::int64_t bytes = 0;
    for (const Item& item : tree) bytes += item.entry.size;
    input_.observer.expect(bytes);
    for (const Item& item : tree) {
      const auto added = item.entry.kind == io::EntryKind::directory
                             ? archive_.add_directory(item.in_archive, item.entry.modified_ms)
                             : add_file(item);
      if (!added) return added.error();
    }
    const auto finished = archive_.finish();
    if (!finished) return finished.error();
    return std::move(summary_);
  }

 private:
  struct Item {
    std::string path;
    std::string in_archive;
    io::DirectoryEntry entry;
  };

  Result<std::vector<Item>> list_all() {
    std::vector<Item> tree;
    std::vector<std::pair<std::string, std::string>> tops{{input_.survey.root, kTop}};
    const scan::StoreConfig& config = input_.survey.config;
    for (const std::string& directory : config.commit_log_directories) add_outside(tops, directory);
    for (const auto* directory :
         {&config.consume_queue_directory, &config.index_directory, &config.config_directory})
      if (!directory->empty()) add_outside(tops, *directory);
    for (const auto& [directory, name] : tops) {
      const auto listed = list_into(tree, directory, name);
      if (!listed) return listed.error();
    }
    return tree;
  }

  void add_outside(std::vector<std::pair<std::string, std::string>>& tops, const std::string& directory) {
    for (const auto& [known, name] : tops) {
      if (directory == known || directory.starts_with(known + "/")) return;
    }
    std::string name = std::string(kTop) + "/" + std::string(io::name_of(directory));
    while (std::ranges::any_of(tops, [&](const auto& top) { return top.second == name; }) ||
           input_.files.stat(io::join_path(input_.survey.root, io::name_of(name))).has_value())
      name += "-outside";
    tops.emplace_back(directory, name);
    summary_.notes.push_back(directory + " lies outside of the store; in the snapshot it is " + name);
  }

  Result<void> list_into(std::vector<Item>& tree, const std::string& directory,
                         const std::string& in_archive) {
    RMQ_TRY(entry, input_.files.stat(directory));
    tree.push_back({directory, in_archive, entry});
    RMQ_TRY(entries, input_.files.list(directory));
    for (const io::DirectoryEntry& one : entries) {
      const std::string path = io::join_path(directory, one.name);
      const std::string name = in_archive + "/" + one.name;
      if (one.kind == io::EntryKind::file) {
        tree.push_back({path, name, one});
      } else if (one.kind != io::EntryKind::directory || one.name == recovery::kLostAndFound ||
                 one.name == recovery::kLostAndFoundElsewhere) {
        summary_.notes.push_back(path + " is left out");
      } else {
        const auto below = list_into(tree, path, name);
        if (!below) return below.error();
      }
    }
    return {};
  }

  Result<void> add_file(const Item& item) {
    RMQ_TRY(file, input_.files.open(item.path));
    const std::int64_t size = item.entry.size;
    RMQ_TRY(used, used_end(*file, size));
    const auto begun = archive_.begin_file(item.in_archive, size, used, item.entry.modified_ms);
    if (!begun) return begun.error();
    const auto copied = copy(*file, item.path, used, !plain_.contains(item.path));
    if (!copied) return copied.error();
    std::ranges::fill(buffer_, std::byte{0});
    for (std::int64_t left = size - used; left > 0;) {
      const auto count = std::min<std::size_t>(buffer_.size(), static_cast<std::size_t>(left));
      const auto written = archive_.write(std::span(buffer_).first(count));
      if (!written) return written.error();
      left -= static_cast<std::int64_t>(count);
    }
    input_.observer.advance(size - used);
    ++summary_.files;
    summary_.bytes += size;
    return {};
  }

  // Bytes in front of `have` lie in the buffer and wait for what follows them.
  Result<void> copy(const io::ReadFile& file, const std::string& path, std::int64_t used, bool blanked) {
    Redactor redactor(dledger_.contains(path));
    buffer_.resize(kBlock);
    std::size_t have = 0;
    for (std::int64_t at = 0; at < used || have > 0;) {
      if (input_.observer.cancelled()) return Error{ErrorCode::cancelled, 0, "cancelled"};
      if (have == buffer_.size()) buffer_.resize(std::min(buffer_.size() * 2, Redactor::kMostHeld + kBlock));
      const auto wanted = std::min<std::size_t>(buffer_.size() - have, static_cast<std::size_t>(used - at));
      RMQ_TRY(got, file.read_at(at, std::span(buffer_).subspan(have, wanted)));
      if (got < wanted) return Error{ErrorCode::io_error, 0, path + " became shorter while it was read"};
      at += static_cast<std::int64_t>(got);
      have += got;
      input_.observer.advance(static_cast<std::int64_t>(got));
      const std::span<std::byte> bytes = std::span(buffer_).first(have);
      const std::size_t done = blanked ? redactor.blank(bytes, at == used) : have;
      const auto written = archive_.write(bytes.first(done));
      if (!written) return written.error();
      std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(done), bytes.end(), bytes.begin());
      have -= done;
    }
    summary_.records += redactor.records();
    return {};
  }

  const DumpInput& input_;
  codec::ArchiveWriter archive_;
  std::set<std::string> plain_;    // paths
  std::set<std::string> dledger_;  // paths of files with DLedger entries
  std::vector<std::byte> buffer_;
  SnapshotSummary summary_;
};

}  // namespace

Result<SnapshotSummary> write_snapshot(const DumpInput& input,
                                       std::function<bool(std::span<const std::byte>)> sink) {
  if (input.survey.single_file)
    return wrong_use(input.survey.root + " is one file; a snapshot is made of a store");
  return SnapshotWriter(input, std::move(sink)).run();
}

}  // namespace rmq::forensics
