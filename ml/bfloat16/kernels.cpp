// What PyTorch's own kernels do slowly in bfloat16 on processors with avx512_bf16: gradients of
// depthwise convolutions, and batch normalisation with its ReLU6.
//
// Pictures lie in memory as [n, h, w, c]; c is a multiple of 16. Sums are kept in single
// precision or better, only what is stored is rounded to bfloat16.

#include <ATen/Parallel.h>
#include <immintrin.h>
#include <torch/extension.h>

#include <algorithm>
#include <vector>

namespace {

using at::Tensor;
using Half = at::BFloat16;

constexpr int kLanes = 16;
// Rows that are added up in single precision before their sum goes into double precision.
constexpr int64_t kRows = 512;

__m512 load(const Half* from) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

void store(Half* to, __m512 value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(value));
}

void add_to(float* sum, __m512 value) {
  _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), value));
}

// Where 0 < x a + b < 6: there ReLU6 lets a gradient through.
__mmask16 is_open(__m512 x, const float* a, const float* b) {
  const __m512 y = _mm512_fmadd_ps(x, _mm512_loadu_ps(a), _mm512_loadu_ps(b));
  return _mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_GT_OQ) &
         _mm512_cmp_ps_mask(y, _mm512_set1_ps(6.f), _CMP_LT_OQ);
}

struct Shape {
  int height, width, out_height, out_width, channels, stride, top, left;
};

template <int K>
void add_weight_gradient(const Half* x, const Half* gradient, float* sum, const Shape& s,
                         int first, int last) {
  const size_t c_all = s.channels;
  for (int n = first; n < last; n++)
    for (int row = 0; row < s.out_height; row++) {
      const Half* g_row = gradient + (size_t(n) * s.out_height + row) * s.out_width * c_all;
      for (int ky = 0; ky < K; ky++) {
        const int y = row * s.stride - s.top + ky;
        if (y < 0 || y >= s.height) continue;
        const Half* x_row = x + (size_t(n) * s.height + y) * s.width * c_all;
        for (int c = 0; c < s.channels; c += kLanes) {
          __m512 sums[K];
          for (int k = 0; k < K; k++) sums[k] = _mm512_setzero_ps();
          for (int column = 0; column < s.out_width; column++) {
            const __m512 g = load(g_row + column * c_all + c);
            const int from = column * s.stride - s.left;
            const bool is_inside = from >= 0 && from + K <= s.width;
#pragma GCC unroll 5
            for (int k = 0; k < K; k++)
              if (is_inside || (from + k >= 0 && from + k < s.width))
                sums[k] = _mm512_fmadd_ps(g, load(x_row + (from + k) * c_all + c), sums[k]);
          }
          for (int k = 0; k < K; k++) add_to(sum + (ky * K + k) * c_all + c, sums[k]);
        }
      }
    }
}

// Of filters (c, 1, k, k) over x (n, c, h, w), from the gradient (n, c, h', w').
Tensor depthwise_weight(Tensor x, Tensor gradient, int64_t k, int64_t stride, int64_t top,
                        int64_t left) {
  const int n = x.size(0), c = x.size(1);
  const Shape s{int(x.size(2)), int(x.size(3)), int(gradient.size(2)), int(gradient.size(3)),
                c,              int(stride),    int(top),              int(left)};
  TORCH_CHECK(c % kLanes == 0 && (k == 3 || k == 5));
  TORCH_CHECK(x.is_contiguous(at::MemoryFormat::ChannelsLast));
  TORCH_CHECK(gradient.is_contiguous(at::MemoryFormat::ChannelsLast));
  const int threads = std::min(at::get_num_threads(), n);
  auto sums = at::zeros({threads, k * k, c}, at::kFloat);
  float* into = sums.data_ptr<float>();
  const Half *from = x.data_ptr<Half>(), *g = gradient.data_ptr<Half>();
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) {
      const int first = n * t / threads, last = n * (t + 1) / threads;
      if (k == 3)
        add_weight_gradient<3>(from, g, into + t * k * k * c, s, first, last);
      else
        add_weight_gradient<5>(from, g, into + t * k * k * c, s, first, last);
    }
  });
  return sums.sum(0).t().reshape({c, 1, k, k});
}

// Of x (n, c, h, w), from the gradient (n, c, h', w') and the filters as (k * k, c).
Tensor depthwise_input(Tensor gradient, Tensor filters, int64_t k, int64_t stride, int64_t top,
                       int64_t left, int64_t height, int64_t width) {
  const int64_t n = gradient.size(0), c = gradient.size(1);
  const int64_t out_height = gradient.size(2), out_width = gradient.size(3);
  TORCH_CHECK(c % kLanes == 0 && k * k <= 25);
  TORCH_CHECK(gradient.is_contiguous(at::MemoryFormat::ChannelsLast));
  auto into = at::empty({n, c, height, width},
                        gradient.options().memory_format(at::MemoryFormat::ChannelsLast));
  const Half* g = gradient.data_ptr<Half>();
  const float* w = filters.data_ptr<float>();
  Half* to = into.data_ptr<Half>();
  at::parallel_for(0, n * height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++)
      for (int64_t x = 0; x < width; x++) {
        const float* weights[25];
        const Half* gradients[25];
        int found = 0;
        for (int64_t ky = 0; ky < k; ky++) {
          const int64_t y = row % height + top - ky;
          if (y < 0 || y % stride || y / stride >= out_height) continue;
          for (int64_t kx = 0; kx < k; kx++) {
            const int64_t at = x + left - kx;
            if (at < 0 || at % stride || at / stride >= out_width) continue;
            weights[found] = w + (ky * k + kx) * c;
            gradients[found++] =
                g + ((row / height * out_height + y / stride) * out_width + at / stride) * c;
          }
        }
        for (int64_t part = 0; part < c; part += kLanes) {
          __m512 sum = _mm512_setzero_ps();
          for (int i = 0; i < found; i++)
            sum = _mm512_fmadd_ps(load(gradients[i] + part), _mm512_loadu_ps(weights[i] + part),
                                  sum);
          store(to + (row * width + x) * c + part, sum);
        }
      }
  });
  return into;
}

// Two sums over the rows of tensors (m, c) for each channel; `add` puts a row's part of 16
// channels into both. Gives (2, c) in double precision.
template <typename Add>
Tensor two_sums(int64_t rows, int64_t c, const Add& add) {
  const int64_t threads = at::get_num_threads();
  auto sums = at::zeros({threads, 2, c}, at::kDouble);
  double* into = sums.data_ptr<double>();
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> few(2 * c);
    for (int64_t t = begin; t < end; t++) {
      const int64_t last = rows * (t + 1) / threads;
      for (int64_t first = rows * t / threads; first < last; first += kRows) {
        std::fill(few.begin(), few.end(), 0.f);
        for (int64_t row = first; row < std::min(first + kRows, last); row++)
          for (int64_t part = 0; part < c; part += kLanes)
            add(row * c, part, &few[part], &few[c + part]);
        for (int64_t i = 0; i < 2 * c; i++) into[t * 2 * c + i] += few[i];
      }
    }
  });
  return sums.sum(0);
}

// Means of x and of x² over the rows of (m, c), as (2, c) in double precision.
Tensor moments(Tensor x) {
  const int64_t c = x.size(1);
  TORCH_CHECK(c % kLanes == 0 && x.is_contiguous());
  const Half* from = x.data_ptr<Half>();
  const auto sums = two_sums(x.size(0), c, [&](int64_t row, int64_t part, float* one, float* two) {
    const __m512 value = load(from + row + part);
    add_to(one, value);
    add_to(two, _mm512_mul_ps(value, value));
  });
  return sums / double(x.size(0));
}

// x a + b, and where `is_activated` ReLU6 of it; x (m, c), a and b (c).
Tensor scaled(Tensor x, Tensor a, Tensor b, bool is_activated) {
  const int64_t c = x.size(1);
  TORCH_CHECK(c % kLanes == 0 && x.is_contiguous());
  auto into = at::empty_like(x);
  const Half* from = x.data_ptr<Half>();
  const float *scale = a.data_ptr<float>(), *shift = b.data_ptr<float>();
  Half* to = into.data_ptr<Half>();
  at::parallel_for(0, x.size(0), 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++)
      for (int64_t part = 0; part < c; part += kLanes) {
        __m512 y = _mm512_fmadd_ps(load(from + row * c + part), _mm512_loadu_ps(scale + part),
                                   _mm512_loadu_ps(shift + part));
        if (is_activated)  // what is not a number stays none: it is the second that is given then
          y = _mm512_min_ps(_mm512_set1_ps(6.f), _mm512_max_ps(_mm512_setzero_ps(), y));
        store(to + row * c + part, y);
      }
  });
  return into;
}

// Sums over the rows of the gradient that comes through `scaled`, and of it times x: (2, c).
Tensor gradient_sums(Tensor gradient, Tensor x, Tensor a, Tensor b, bool is_activated) {
  const int64_t c = x.size(1);
  TORCH_CHECK(c % kLanes == 0 && x.is_contiguous() && gradient.is_contiguous());
  const Half *from = x.data_ptr<Half>(), *g = gradient.data_ptr<Half>();
  const float *scale = a.data_ptr<float>(), *shift = b.data_ptr<float>();
  return two_sums(x.size(0), c, [&](int64_t row, int64_t part, float* one, float* two) {
    const __m512 value = load(from + row + part);
    __m512 through = load(g + row + part);
    if (is_activated)
      through = _mm512_maskz_mov_ps(is_open(value, scale + part, shift + part), through);
    add_to(one, through);
    add_to(two, _mm512_mul_ps(value, through));
  });
}

// The gradient that comes through `scaled` times p, plus x q + r: (m, c).
Tensor input_gradient(Tensor gradient, Tensor x, Tensor a, Tensor b, Tensor p, Tensor q, Tensor r,
                      bool is_activated) {
  const int64_t c = x.size(1);
  TORCH_CHECK(c % kLanes == 0 && x.is_contiguous() && gradient.is_contiguous());
  auto into = at::empty_like(x);
  const Half *from = x.data_ptr<Half>(), *g = gradient.data_ptr<Half>();
  const float *scale = a.data_ptr<float>(), *shift = b.data_ptr<float>();
  const float *ps = p.data_ptr<float>(), *qs = q.data_ptr<float>(), *rs = r.data_ptr<float>();
  Half* to = into.data_ptr<Half>();
  at::parallel_for(0, x.size(0), 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++)
      for (int64_t part = 0; part < c; part += kLanes) {
        const __m512 value = load(from + row * c + part);
        __m512 through = load(g + row * c + part);
        if (is_activated)
          through = _mm512_maskz_mov_ps(is_open(value, scale + part, shift + part), through);
        const __m512 rest =
            _mm512_fmadd_ps(value, _mm512_loadu_ps(qs + part), _mm512_loadu_ps(rs + part));
        store(to + row * c + part, _mm512_fmadd_ps(through, _mm512_loadu_ps(ps + part), rest));
      }
  });
  return into;
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  module.def("depthwise_weight", &depthwise_weight);
  module.def("depthwise_input", &depthwise_input);
  module.def("moments", &moments);
  module.def("scaled", &scaled);
  module.def("gradient_sums", &gradient_sums);
  module.def("input_gradient", &input_gradient);
}
