// A structure's byte table, as docs/format shows it. `offset` is text because some offsets depend on what
// comes before (48+B); tests/format/layout_doc_test.cc compares every row with the page.
#pragma once

#include <string_view>

namespace rmq {

struct LayoutField {
  std::string_view name;
  std::string_view offset;
  std::string_view size;
  std::string_view type;
};

}  // namespace rmq
