#include "libstore/forensics/dump_index_lookup.h"

#include <algorithm>

#include "libstore/format/index_file.h"

namespace rmq::forensics {
namespace {

// Open files at a time: a lookup over many topics comes back to the same files.
constexpr std::size_t kOpenLimit = 64;

}  // namespace

IndexLookup::IndexLookup(const io::ReadFileSystem& files, const scan::StoreSurvey& survey,
                         DumpSummary& summary)
    : files_(files),
      survey_(survey),
      summary_(summary),
      geometries_(scan::infer_index_geometries(files, survey)),
      open_(survey.index_files.size()) {
  for (std::size_t i = 0; i < geometries_.size(); ++i) {
    if (!geometries_[i].known()) {
      summary.notes.push_back(survey.index_files[i].shown +
                              ": how many slots it has cannot be told, so it was not searched");
    }
  }
}

std::vector<IndexHit> IndexLookup::find(std::string_view topic, std::string_view key,
                                        const TimeRange& range) {
  std::vector<IndexHit> hits;
  const std::int32_t hash = format::index_key_hash(topic, key);
  for (std::size_t i = survey_.index_files.size(); i-- > 0;) {
    if (geometries_[i].known()) find_in(i, hash, range, hits);
  }
  return hits;
}

void IndexLookup::find_in(std::size_t file_index, std::int32_t hash, const TimeRange& range,
                          std::vector<IndexHit>& hits) {
  if (open_[file_index] == nullptr) {
    if (static_cast<std::size_t>(std::ranges::count_if(open_, [](const auto& o) { return o != nullptr; })) >=
        kOpenLimit) {
      for (auto& reader : open_) reader.reset();
    }
    auto opened = files_.open(survey_.index_files[file_index].path);
    if (!opened) {
      summary_.faults.push_back(opened.error().message());
      return;
    }
    open_[file_index] = std::make_unique<IndexFileReader>(*std::move(opened), geometries_[file_index]);
  }
  open_[file_index]->find(hash, range, [&](const scan::IndexHit& hit) {
    hits.push_back({hit, survey_.index_files[file_index].name});
    return true;
  });
}

}  // namespace rmq::forensics
