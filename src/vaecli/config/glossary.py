"""Terms of the field, as vaecli uses them."""

# Term, with its symbol or its synonym, to meaning.
GLOSSARY = {
    "latent z": "vector that encodes an image.",
    "posterior q(z|x,c)": "the encoder's distribution of latents of an image.",
    "prior p(z|c)": "the distribution that new latents are sampled from.",
    "fitted prior": "prior that is fitted to the latents of a trained model, in place of its own.",
    "likelihood p(x|z,c)": "the decoder's distribution of images.",
    "context c": "one-hot label of a conditional model.",
    "objective": "what computes the loss.",
    "distortion": "expected -log p(x|z), the reconstruction error.",
    "rate": "KL(q(z|x,c) || p(z|c)); its mean bounds the information in the latent from above.",
    "nat": "unit of information, 1.44 bits.",
    "bound (ELBO)": "-(distortion + rate), at most log p(x).",
    "NLL": "-log p(x), or -log p(x|y) given the label, estimated by importance sampling; the "
    "estimate is too high on average.",
    "beta": "weight of the rate in elbo; other objectives say what their beta weights.",
    "annealing": "raising the weight of the rate from 0.",
    "free bits": "nats of rate that cost nothing.",
    "capacity": "target of the rate, in nats.",
    "aggregate posterior": "mean posterior of all images.",
    "discriminator": "network that tells two kinds of samples apart.",
    "total correlation": "KL from the aggregate posterior to the product of its marginals.",
    "codebook": "learned vectors that latents are rounded to.",
    "flow": "invertible network with a tractable Jacobian determinant.",
    "protocol": "how pixels are scored; compare only losses of the same protocol.",
    "preset": "options of a published model, by name.",
    "spec": "name:option=value,..., selects a part and sets its options.",
}
